# METADATA
# title: Limits
# description: The limits of this call. A team's own come before its tenant's, those before everybody's.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.lib.limit

# METADATA
# title: Effective
# description: What rules compare with.
effective := object.union(object.union(data.config.limits, tenant), team) if {
	tenant
	team
} else := object.union(data.config.limits, team) if {
	team
} else := object.union(data.config.limits, tenant) if {
	tenant
} else := data.config.limits

tenant := data.config.tuning.tenants[input.intent.tenant]

team := data.config.tuning.teams[input.intent.attribution.team]
