# METADATA
# title: Prompt and answer
# description: Prompts fit the model, answers fit the environment.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.prompt

import data.weir.lib.finding
import data.weir.lib.limit

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
	tokens := limit.effective.output_tokens[input.intent.attribution.environment]
} else := limit.effective.output_tokens["default"]

# METADATA
# title: Nothing cached
# description: A later step of a run sends a long prompt, and expects none of it from the provider's cache.
# custom:
#   code: prompt.cache_gap
#   severity: info
#   message: step {steps} of the run sends {tokens} input tokens and reads none from the cache
advise contains finding.of(rego.metadata.rule(), {
	"steps": input.context.run.steps,
	"tokens": input.intent.tokens.input,
}) if {
	input.context.run.steps > 0
	input.intent.tokens.cache_read == 0
	input.intent.tokens.input >= limit.effective.cache_gap_tokens
}
