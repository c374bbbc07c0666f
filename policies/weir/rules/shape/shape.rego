# METADATA
# title: Shape
# description: A rule over a missing or mistyped value finds nothing, so what the rules read is checked first.
# schemas:
#   - data.config: schema.config
package weir.rules.shape

import data.weir.lib.finding

# METADATA
# title: Input malformed
# description: The intent or the context lacks something the rules rely on.
# custom:
#   code: shape.input
#   severity: critical
#   message: the policy input lacks a field or holds one of another type
deny contains finding.of(rego.metadata.rule(), {}) if not input_whole

# METADATA
# title: Configuration missing
# description: The bundle's data was not loaded.
# custom:
#   code: shape.config
#   severity: critical
#   message: the bundle's configuration lacks models, teams, limits or mandatory fields
deny contains finding.of(rego.metadata.rule(), {}) if not config_whole

# METADATA
# title: Facts missing
# description: The host did not compute what the rules compare.
# custom:
#   code: shape.facts
#   severity: critical
#   message: the policy input lacks a fact or holds one of another type
deny contains finding.of(rego.metadata.rule(), {}) if not facts_whole

input_whole if {
	is_number(input.now_ms)
	is_string(input.mode)
	is_string(input.intent.model)
	is_string(input.intent.operation)
	is_string(input.intent.task)
	is_string(input.intent.tenant)
	is_number(input.intent.attempt.number)
	is_string(input.intent.attempt.reason)
	is_number(input.intent.run.depth)
	is_string(input.intent.run.fingerprint)
	is_number(input.intent.deadline_ms)
	is_string(input.intent.principal)
	is_string(input.intent.service_tier)
	is_number(input.intent.tokens.cache_read)
	is_number(input.intent.tokens.input)
	is_number(input.intent.tokens.output_max)
	attribution_whole(input.intent.attribution)
	is_string(input.intent.data.residency)
	is_string(input.intent.data.sensitivity)
	is_array(input.intent.data.classes)
	every class in input.intent.data.classes { is_string(class) }
}

attribution_whole(attribution) if {
	is_string(attribution.team)
	is_string(attribution.cost_center)
	is_string(attribution.environment)
	is_string(attribution.feature)
	is_string(attribution.service)
	is_string(attribution.user)
	is_string(attribution.customer)
}

# The types of the limits are checked once, when the bundle is loaded; here, that it was.
config_whole if {
	count(data.config.models) > 0
	count(data.config.teams) > 0
	count(data.config.limits) > 0
	is_array(data.config.attribution.mandatory["default"]["default"])
}

# Candidates are not looked into: one that lacks something is not offered, and the host judges the one it takes.
facts_whole if {
	is_number(input.facts.cost_micro_usd)
	is_boolean(input.facts.fits_context)
	is_boolean(input.facts.flex_priced)
	is_boolean(input.facts.known)
	is_string(input.facts.local_date)
	is_string(input.facts.local_time)
	is_string(input.facts.local_weekday)
	is_number(input.facts.output_tokens)
	is_boolean(input.facts.priced)
	is_number(input.facts.tokens)
	is_number(input.facts.unreported_calls)
	is_number(input.facts.unreported_percent)
	input.context.state in ["fresh", "stale", "unavailable"]
	is_array(input.candidates)
	is_array(input.context.budgets)
	every budget in input.context.budgets { budget_whole(budget) }
	is_array(input.context.velocity)
	every scope in input.context.velocity { scope_whole(scope) }
	is_array(input.context.freezes)
	every freeze in input.context.freezes { freeze_whole(freeze) }
	run_whole(input.context.run)
}

budget_whole(budget) if {
	is_string(budget.id)
	budget.mode in ["hard", "soft"]
	budget.unit in ["usd", "tokens", "calls"]
	is_number(budget.cost)
	is_number(budget.resets_in_ms)
	standing_whole(budget)
}

standing_whole(budget) if {
	is_boolean(budget.fits)
	is_number(budget.remaining)
	is_number(budget.used_percent)
}

standing_whole(budget) if {
	budget.fits == null
	budget.remaining == null
	budget.used_percent == null
	budget.on_state_loss in ["closed", "open"]
}

scope_whole(scope) if {
	is_string(scope.scope)
	is_string(scope.kind)
	is_boolean(scope.hot)
	is_number(scope.retry_after_ms)
	call_cost_whole(scope.call_cost)
	is_array(scope.windows)
	every window in scope.windows { window_whole(window) }
}

call_cost_whole(null)

call_cost_whole(cost) if {
	is_boolean(cost.hot)
	is_number(cost.excess_micro_usd)
	is_number(cost.limit_micro_usd)
	is_number(cost.retry_after_ms)
	is_number(cost.usual_micro_usd)
}

window_whole(window) if {
	is_string(window.window)
	is_boolean(window.hot)
	is_number(window.attempts)
	is_number(window.retry_percent)
	is_number(window.percent)
	is_number(window.rate_micro_usd)
	is_number(window.limit_micro_usd)
}

freeze_whole(freeze) if {
	is_string(freeze.reason)
	is_string(freeze.scope)
}

run_whole(null)

run_whole(run) if {
	is_number(run.children)
	is_number(run.repeats)
	is_number(run.siblings)
	is_number(run.spent_micro_usd)
	is_number(run.steps)
}
