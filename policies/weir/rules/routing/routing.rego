# METADATA
# title: Routing
# description: A task goes to a model that is good enough for it and costs less.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.routing

import data.weir.lib.candidate
import data.weir.lib.finding

# METADATA
# title: Overkill
# description: The task needs a lower tier than the model has, and a cheaper model has enough.
# custom:
#   code: routing.overkill
#   severity: info
#   message: model {model} is good enough for {task} and costs {cost_micro_usd} at most
reroute contains finding.of(rego.metadata.rule(), {
	"cost_micro_usd": c.cost_micro_usd,
	"model": c.model,
	"task": input.intent.task,
}) if {
	needed := data.config.tasks[input.intent.task].tier
	data.config.models[input.intent.model].tier > needed
	some c in input.candidates
	c.tier >= needed
	c.cost_micro_usd < input.facts.cost_micro_usd
	candidate.suitable(c)
}
