# METADATA
# title: Prompt and answer
# description: Prompts fit the model, answers fit the environment.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.prompt

import data.weir.lib.finding

# METADATA
# title: Context too long
# description: Input and output together do not fit the model's context.
# custom:
#   code: prompt.too_long
#   severity: error
#   cure: model
#   message: "{tokens} tokens do not fit model {model}, whose context holds {limit}"
deny contains finding.of(rego.metadata.rule(), {
	"limit": object.get(data.config.models, [input.intent.model, "context_tokens"], 0),
	"model": input.intent.model,
	"tokens": input.facts.tokens,
}) if {
	input.facts.known
	not input.facts.fits_context
}

# METADATA
# title: Output cap
# description: The environment caps the length of answers.
# custom:
#   code: prompt.output_cap
#   severity: info
#   message: answers are capped at {max_output_tokens} tokens in environment "{environment}"
oblige contains finding.of(rego.metadata.rule(), {
	"environment": input.intent.attribution.environment,
	"max_output_tokens": cap,
}) if {
	longer
}

longer if input.intent.tokens.output_max > cap

# No cap asked: the provider would answer as long as the model can.
longer if input.intent.tokens.output_max == 0

cap := tokens if {
	tokens := data.config.limits.output_tokens[input.intent.attribution.environment]
} else := data.config.limits.output_tokens["default"]
