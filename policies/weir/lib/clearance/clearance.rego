# METADATA
# title: Clearance
# description: Which contracts and regions may hold the data of this call.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.lib.clearance

import data.weir.lib.limit

rank := {"public": 0, "internal": 1, "confidential": 2, "restricted": 3}

# METADATA
# title: Needed
# description: Sensitivity of the data, or the default where the caller did not say.
needed := input.intent.data.sensitivity if input.intent.data.sensitivity != "unspecified"

needed := limit.effective.default_sensitivity if input.intent.data.sensitivity == "unspecified"

# METADATA
# title: Covers
# description: A contract of this clearance may hold the data.
covers(clearance) if rank[clearance] >= rank[needed]

# METADATA
# title: Resident
# description: The data stays where it must when it goes to one of these regions.
resident(_) if input.intent.data.residency == ""

resident(regions) if input.intent.data.residency in regions

# METADATA
# title: Forgotten
# description: The model's provider keeps data no longer than its sensitivity allows.
forgotten(_) if not kept

forgotten(model) if keeps(model) <= kept

# METADATA
# title: Keeps
# description: How long the model's provider keeps data, days; a century where its contract does not say.
keeps(model) := object.get(data.config.models, [model, "retention_days"], 36500)

# METADATA
# title: Kept
# description: Longest a provider may keep the data of this call, days; undefined where nothing is said.
kept := limit.effective.retention_days[needed]
