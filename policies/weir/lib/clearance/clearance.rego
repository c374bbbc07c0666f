# METADATA
# title: Clearance
# description: Which contracts and regions may hold the data of this call.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.lib.clearance

rank := {"public": 0, "internal": 1, "confidential": 2, "restricted": 3}

# METADATA
# title: Needed
# description: Sensitivity of the data, or the default where the caller did not say.
needed := input.intent.data.sensitivity if input.intent.data.sensitivity != "unspecified"

needed := data.config.limits.default_sensitivity if input.intent.data.sensitivity == "unspecified"

# METADATA
# title: Covers
# description: A contract of this clearance may hold the data.
covers(clearance) if rank[clearance] >= rank[needed]

# METADATA
# title: Resident
# description: The data stays where it must when it goes to one of these regions.
resident(_) if input.intent.data.residency == ""

resident(regions) if input.intent.data.residency in regions
