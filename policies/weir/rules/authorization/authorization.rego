# METADATA
# title: Authorization
# description: Who may call which model, where and for what.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.authorization

import data.weir.lib.finding
import data.weir.lib.grant

model := input.intent.model

# METADATA
# title: Unknown model
# description: The catalogue does not hold the model, so nothing is known about it.
# custom:
#   code: authorization.unknown_model
#   severity: error
#   message: model {model} is not in the catalogue
deny contains finding.of(rego.metadata.rule(), {"model": model}) if not known

# METADATA
# title: Unpriced model
# description: The price book has no price for the model today, and an unpriced call is not a free one.
# custom:
#   code: authorization.unpriced_model
#   severity: error
#   message: model {model} has no price, so its calls cannot be paid from a budget
deny contains finding.of(rego.metadata.rule(), {"model": model}) if {
	known
	not input.facts.priced
}

# METADATA
# title: Model not granted
# description: None of the team's grants covers the model.
# custom:
#   code: authorization.model_not_granted
#   severity: error
#   message: team {team} has no grant for model {model}
deny contains finding.of(rego.metadata.rule(), {"model": model, "team": input.intent.attribution.team}) if {
	known
	not grant.team(model)
}

# METADATA
# title: Environment not granted
# description: The model is kept for other environments.
# custom:
#   code: authorization.environment
#   severity: error
#   message: model {model} may not be called from environment "{environment}"
deny contains finding.of(rego.metadata.rule(), {"environment": input.intent.attribution.environment, "model": model}) if {
	known
	not grant.environment(model)
}

# METADATA
# title: Operation not offered
# description: The model does not offer this kind of call.
# custom:
#   code: authorization.operation
#   severity: error
#   message: model {model} does not offer {operation}
deny contains finding.of(rego.metadata.rule(), {"model": model, "operation": input.intent.operation}) if {
	known
	not grant.operation(model)
}

known if {
	input.facts.known
	data.config.models[model]
}
