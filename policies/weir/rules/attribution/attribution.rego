# METADATA
# title: Attribution
# description: Every call names who pays for it, and names them rightly.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.attribution

import data.weir.lib.finding

attribution := input.intent.attribution

team := data.config.teams[attribution.team]

# METADATA
# title: Attribution missing
# description: A field that this tenant must give in this environment is empty.
# custom:
#   code: attribution.missing
#   severity: error
#   message: attribution field {field} is empty; {tenant} must give it in environment "{environment}"
deny contains finding.of(rego.metadata.rule(), {
	"environment": attribution.environment,
	"field": field,
	"tenant": input.intent.tenant,
}) if {
	some field in mandatory
	attribution[field] == ""
}

# METADATA
# title: Unknown team
# description: The team is not in the directory.
# custom:
#   code: attribution.unknown_team
#   severity: error
#   message: team {team} is not in the directory
deny contains finding.of(rego.metadata.rule(), {"team": attribution.team}) if {
	attribution.team != ""
	not team
}

# METADATA
# title: Team of another tenant
# description: The team belongs to another tenant than the call.
# custom:
#   code: attribution.foreign_team
#   severity: critical
#   message: team {team} does not belong to tenant {tenant}
deny contains finding.of(rego.metadata.rule(), {"team": attribution.team, "tenant": input.intent.tenant}) if {
	team
	not team.tenant == input.intent.tenant
}

# METADATA
# title: Cost center of another team
# description: The team may not charge this cost center.
# custom:
#   code: attribution.cost_center
#   severity: error
#   message: cost center {cost_center} is not one that team {team} may charge
deny contains finding.of(rego.metadata.rule(), {"cost_center": attribution.cost_center, "team": attribution.team}) if {
	team
	attribution.cost_center != ""
	not attribution.cost_center in team.cost_centers
}

# Fields by tenant and environment; "default" stands for every other of either.
mandatory := fields if {
	fields := data.config.attribution.mandatory[input.intent.tenant][attribution.environment]
} else := fields if {
	fields := data.config.attribution.mandatory[input.intent.tenant]["default"]
} else := fields if {
	fields := data.config.attribution.mandatory["default"][attribution.environment]
} else := data.config.attribution.mandatory["default"]["default"]
