# METADATA
# title: Agent runs
# description: Agents stop before they run in circles.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.agent

import data.weir.lib.finding
import data.weir.lib.limit

limits := limit.effective

run := input.context.run

# METADATA
# title: Agents too deep
# description: Too many agents called one another.
# custom:
#   code: agent.depth
#   severity: error
#   message: agents called one another {depth} deep, {limit} is the limit
deny contains finding.of(rego.metadata.rule(), {"depth": depth, "limit": limits.agent_depth}) if {
	depth := input.intent.run.depth
	depth > limits.agent_depth
}

# METADATA
# title: Agent loop
# description: The same step keeps coming back within one run.
# custom:
#   code: agent.loop
#   severity: error
#   message: the run made this very step {repeats} times before, {limit} is the limit
deny contains finding.of(rego.metadata.rule(), {"limit": limits.agent_repeats, "repeats": run.repeats}) if {
	run.repeats >= limits.agent_repeats
	input.intent.run.fingerprint != ""
}

# METADATA
# title: Agent fan-out
# description: One run may not start more runs than its share; those that have begun go on.
# custom:
#   code: agent.fan_out
#   severity: error
#   message: the run that started this one started {children} before, {limit} is the limit
deny contains finding.of(rego.metadata.rule(), {"children": run.siblings, "limit": limits.agent_children}) if {
	run.siblings >= limits.agent_children
	run.steps == 0
}

# METADATA
# title: Run too long
# description: One run may not make more than its steps.
# custom:
#   code: agent.steps
#   severity: error
#   message: the run made {steps} steps, {limit} is the limit
deny contains finding.of(rego.metadata.rule(), {"limit": limits.run_steps, "steps": run.steps}) if {
	run.steps >= limits.run_steps
}

# METADATA
# title: Run too expensive
# description: One run may not spend more than its share.
# custom:
#   code: agent.run_budget
#   severity: error
#   message: the run spent {spent_micro_usd}, {limit_micro_usd} is the limit
deny contains finding.of(rego.metadata.rule(), {
	"limit_micro_usd": limits.run_micro_usd,
	"spent_micro_usd": run.spent_micro_usd,
}) if {
	run.spent_micro_usd >= limits.run_micro_usd
}
