# METADATA
# title: Projects
# description: Work is done for a project, as long as it is open and within what one call of it may cost.
# schemas:
#   - input: schema.input
#   - data.org.projects: schema.org.projects
package org.rules.projects

import data.weir.lib.finding

# METADATA
# title: Project closed
# description: A closed project starts no call.
# custom:
#   code: project.closed
#   severity: error
#   message: project {project} is closed
deny contains finding.of(rego.metadata.rule(), {"project": name}) if {
	name := input.intent.labels.project
	data.org.projects[name].open == false
}

# METADATA
# title: Call too dear for its project
# description: A call costs at most what its project allows for one; a cheaper model may cure it.
# custom:
#   code: project.single_call
#   severity: error
#   cure: model
#   message: a call of project {project} costs at most {limit_micro_usd}, this one may cost {cost_micro_usd}
deny contains finding.of(rego.metadata.rule(), {
	"cost_micro_usd": input.facts.cost_micro_usd,
	"limit_micro_usd": limit,
	"project": name,
}) if {
	name := input.intent.labels.project
	limit := data.org.projects[name].single_call_micro_usd
	input.facts.cost_micro_usd > limit
}
