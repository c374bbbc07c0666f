# METADATA
# title: Routing
# description: A task goes to a model that is good enough for it and costs less.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.routing

import data.weir.lib.candidate
import data.weir.lib.finding
import data.weir.lib.limit

# METADATA
# title: Overkill
# description: The task needs a lower tier than the model has, and a cheaper model has enough; the cheapest of those is offered.
# custom:
#   code: routing.overkill
#   severity: info
#   message: model {model} is good enough for {task} and costs {cost_micro_usd} at most
reroute contains finding.of(rego.metadata.rule(), {
	"cost_micro_usd": cheapest[0],
	"model": cheapest[1],
	"task": input.intent.task,
}) if {
	not troubled
	needed := data.config.tasks[input.intent.task].tier
	data.config.models[input.intent.model].tier > needed
	cheapest := min([[c.cost_micro_usd, c.model] |
		some c in input.candidates
		c.tier >= needed
		c.cost_micro_usd < input.facts.cost_micro_usd
		candidate.suitable(c)
	])
}

# METADATA
# title: Provider in trouble
# description: The last attempt failed at the provider; the first suitable model of another one is offered.
# custom:
#   code: routing.fallback
#   severity: info
#   message: the last attempt failed with {reason}, model {model} is of another provider
reroute contains finding.of(rego.metadata.rule(), {
	"model": others[0],
	"reason": input.intent.attempt.reason,
}) if {
	troubled
	others := [c.model |
		some c in input.candidates
		data.config.models[c.model].provider != data.config.models[input.intent.model].provider
		candidate.suitable(c)
	]
}

# METADATA
# title: Time to spare
# description: The caller can wait, and the provider charges less for calls that may.
# custom:
#   code: routing.flex
#   severity: info
#   message: the call may take {deadline_ms}, so it runs in service tier {service_tier}
oblige contains finding.of(rego.metadata.rule(), {
	"deadline_ms": input.intent.deadline_ms,
	"service_tier": "flex",
}) if {
	limit.effective.flex_deadline_ms > 0
	input.intent.deadline_ms >= limit.effective.flex_deadline_ms
	input.intent.service_tier == "standard"
	input.facts.flex_priced
}

# A cheaper model of the same provider is no way around its trouble.
troubled if {
	input.intent.attempt.number > 1
	input.intent.attempt.reason in limit.effective.provider_errors
}
