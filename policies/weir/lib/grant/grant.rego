# METADATA
# title: Grants
# description: What a team and an environment may call.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.lib.grant

# METADATA
# title: Team
# description: A grant is a model id, "provider:*" or "*:*". Calls without a team hold no grants to break.
team(_) if input.intent.attribution.team == ""

team(model) if {
	patterns := ["*:*", concat("", [split(model, ":")[0], ":*"]), model]
	some grant in data.config.teams[input.intent.attribution.team].models
	grant in patterns
}

# METADATA
# title: Environment
# description: An empty list of environments is every one.
environment(model) if count(data.config.models[model].environments) == 0

environment(model) if input.intent.attribution.environment in data.config.models[model].environments

# METADATA
# title: Operation
# description: The model offers this kind of call.
operation(model) if input.intent.operation in data.config.models[model].operations
