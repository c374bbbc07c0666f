# METADATA
# title: Data sensitivity
# description: Data goes only to contracts and regions that may hold it.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.sensitivity

import data.weir.lib.candidate
import data.weir.lib.clearance
import data.weir.lib.finding

model := data.config.models[input.intent.model]

# METADATA
# title: Unknown sensitivity
# description: A label outside the scale says nothing about who may hold the data.
# custom:
#   code: sensitivity.unknown
#   severity: error
#   message: "sensitivity \"{sensitivity}\" is not one of public, internal, confidential, restricted"
deny contains finding.of(rego.metadata.rule(), {"sensitivity": input.intent.data.sensitivity}) if {
	not clearance.rank[clearance.needed]
}

# METADATA
# title: Sensitivity above clearance
# description: The data is more sensitive than the provider's contract allows.
# custom:
#   code: sensitivity.clearance
#   severity: critical
#   cure: model
#   message: data is {sensitivity}, model {model} is cleared for {clearance}
deny contains finding.of(rego.metadata.rule(), {
	"clearance": object.get(model, "clearance", "nothing"),
	"model": input.intent.model,
	"sensitivity": clearance.needed,
}) if {
	model
	not cleared
}

# METADATA
# title: Region not allowed
# description: The data must stay in a region that the model is not served from.
# custom:
#   code: sensitivity.residency
#   severity: critical
#   cure: model
#   message: data must stay in {residency}, model {model} is not served there
deny contains finding.of(rego.metadata.rule(), {
	"model": input.intent.model,
	"residency": input.intent.data.residency,
}) if {
	model
	not resident
}

# METADATA
# title: Data class excluded
# description: The provider's contract excludes this class of data.
# custom:
#   code: sensitivity.class
#   severity: critical
#   cure: model
#   message: the contract for model {model} excludes {class} data
deny contains finding.of(rego.metadata.rule(), {"class": class, "model": input.intent.model}) if {
	some class in input.intent.data.classes
	class in model.excluded_classes
}

# METADATA
# title: Kept too long
# description: The provider keeps what it is sent for longer than data of this sensitivity may be kept.
# custom:
#   code: sensitivity.retention
#   severity: critical
#   cure: model
#   message: "the provider of {model} keeps data for {days} days, {sensitivity} data may be kept {limit} days"
deny contains finding.of(rego.metadata.rule(), {
	"days": clearance.keeps(input.intent.model),
	"limit": clearance.kept,
	"model": input.intent.model,
	"sensitivity": clearance.needed,
}) if {
	model
	not clearance.forgotten(input.intent.model)
}

# METADATA
# title: Cleared alternative
# description: Another model may hold the data; the first of those is named. The routes of a denial cure it.
# custom:
#   code: sensitivity.alternative
#   severity: info
#   message: model {model} is cleared for the data
advise contains finding.of(rego.metadata.rule(), {"model": alternatives[0]}) if {
	count(deny) > 0
	alternatives := [c.model | some c in input.candidates; candidate.suitable(c)]
}

cleared if clearance.covers(model.clearance)

resident if clearance.resident(model.regions)
