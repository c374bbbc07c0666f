# METADATA
# title: Budget
# description: No call starts that a budget cannot pay.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.budget

import data.weir.lib.finding
import data.weir.lib.limit

# METADATA
# title: Budget exhausted
# description: The call would take a hard money budget over its limit.
# custom:
#   code: budget.exhausted
#   severity: error
#   cure: model
#   message: budget {budget} has {remaining_micro_usd} left, the call may cost {cost_micro_usd}
deny contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"cost_micro_usd": budget.cost,
	"remaining_micro_usd": budget.remaining,
	"resets_in_ms": budget.resets_in_ms,
}) if {
	some budget in input.context.budgets
	budget.fits == false
	budget.mode == "hard"
	budget.unit == "usd"
}

# METADATA
# title: Quota exhausted
# description: The call would take a hard budget of tokens or calls over its limit.
# custom:
#   code: budget.quota
#   severity: error
#   message: budget {budget} has {remaining} {unit} left, the call needs {cost}
deny contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"cost": budget.cost,
	"remaining": budget.remaining,
	"resets_in_ms": budget.resets_in_ms,
	"unit": budget.unit,
}) if {
	some budget in input.context.budgets
	budget.fits == false
	budget.mode == "hard"
	budget.unit != "usd"
}

# METADATA
# title: Budget unavailable
# description: The state store does not answer, and this budget's loss is closed.
# custom:
#   code: budget.unavailable
#   severity: error
#   message: budget {budget} cannot be read now and admits nothing unread
deny contains finding.of(rego.metadata.rule(), {"budget": budget.id}) if {
	some budget in input.context.budgets
	budget.fits == null
	budget.on_state_loss == "closed"
}

# METADATA
# title: Single call too expensive
# description: One call may not cost more than the limit for one call.
# custom:
#   code: budget.single_call
#   severity: error
#   cure: model
#   message: the call may cost {cost_micro_usd}, one call may cost {limit_micro_usd} at most
deny contains finding.of(rego.metadata.rule(), {"cost_micro_usd": cost, "limit_micro_usd": most}) if {
	cost := input.facts.cost_micro_usd
	most := limit.effective.single_call_micro_usd
	cost > most
}

# METADATA
# title: Soft budget overrun
# description: A soft budget is used up, so answers are kept short.
# custom:
#   code: budget.soft_over
#   severity: warning
#   message: soft budget {budget} is used to {used_percent} %, answers are capped at {max_output_tokens} tokens
oblige contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"max_output_tokens": limit.effective.soft_output_tokens,
	"used_percent": budget.used_percent,
}) if {
	some budget in input.context.budgets
	budget.fits == false
	budget.mode == "soft"
}

# METADATA
# title: Budget nearly used
# description: Above the soft share of a limit, answers are kept short.
# custom:
#   code: budget.soft_share
#   severity: info
#   message: budget {budget} is used to {used_percent} %, answers are capped at {max_output_tokens} tokens
oblige contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"max_output_tokens": limit.effective.soft_output_tokens,
	"used_percent": budget.used_percent,
}) if {
	some budget in input.context.budgets
	budget.fits == true
	budget.used_percent > limit.effective.soft_share_percent
}

# METADATA
# title: Budget warning
# description: A budget passed a level worth knowing; the highest one is named.
# custom:
#   code: budget.warning
#   severity: warning
#   message: budget {budget} is used to {used_percent} %, above its warning level of {level} %
advise contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"level": level,
	"used_percent": budget.used_percent,
}) if {
	some budget in input.context.budgets
	budget.fits == true
	level := max([l | some l in limit.effective.warning_percents; budget.used_percent >= l])
}

# METADATA
# title: Budget nearly gone
# description: With little left, calls lose the features that cost extra.
# custom:
#   code: budget.degrade
#   severity: info
#   message: budget {budget} is used to {used_percent} %, calls go without {strip}
oblige contains finding.of(rego.metadata.rule(), {
	"budget": budget.id,
	"strip": feature,
	"used_percent": budget.used_percent,
}) if {
	some budget in input.context.budgets
	budget.fits == true
	budget.used_percent > limit.effective.degrade_share_percent
	some feature in limit.effective.degrade_strip
}
