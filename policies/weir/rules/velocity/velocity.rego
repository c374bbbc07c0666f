# METADATA
# title: Velocity
# description: Spend that rises far above its own baseline is slowed.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.velocity

import data.weir.lib.finding

# METADATA
# title: Spend too fast
# description: A scope spends faster than its limit; every call of it waits, on whatever model.
# custom:
#   code: velocity.hot
#   severity: warning
#   message: "{scope} spends {rate_micro_usd} per {window}, its limit is {limit_micro_usd}; retry in {retry_after_ms}"
throttle contains finding.of(rego.metadata.rule(), {
	"limit_micro_usd": window.limit_micro_usd,
	"percent": window.percent,
	"rate_micro_usd": window.rate_micro_usd,
	"retry_after_ms": scope.retry_after_ms,
	"scope": scope.scope,
	"window": window.window,
}) if {
	some scope in input.context.velocity
	scope.hot
	scope.kind != "model"
	window := hot(scope.windows)
}

# METADATA
# title: Model spend too fast
# description: Spend on one model rises faster than its limit; another model may be called.
# custom:
#   code: velocity.model_hot
#   severity: warning
#   cure: model
#   message: "{scope} costs {rate_micro_usd} per {window}, its limit is {limit_micro_usd}; retry in {retry_after_ms}"
throttle contains finding.of(rego.metadata.rule(), {
	"limit_micro_usd": window.limit_micro_usd,
	"percent": window.percent,
	"rate_micro_usd": window.rate_micro_usd,
	"retry_after_ms": scope.retry_after_ms,
	"scope": scope.scope,
	"window": window.window,
}) if {
	some scope in input.context.velocity
	scope.hot
	scope.kind == "model"
	window := hot(scope.windows)
}

# METADATA
# title: Calls cost too much
# description: |
#   Calls of a scope cost more than they usually do: a price rose, a prompt grew, a dearer model is called. Few
#   of them are let through until what they cost above the usual is forgotten.
# custom:
#   code: velocity.call_cost
#   severity: warning
#   message: "calls of {scope} cost {excess_micro_usd} more than their usual {usual_micro_usd} each, {limit_micro_usd} is the limit; retry in {retry_after_ms}"
throttle contains finding.of(rego.metadata.rule(), {
	"excess_micro_usd": cost.excess_micro_usd,
	"limit_micro_usd": cost.limit_micro_usd,
	"retry_after_ms": cost.retry_after_ms,
	"scope": scope.scope,
	"usual_micro_usd": cost.usual_micro_usd,
}) if {
	some scope in input.context.velocity
	cost := scope.call_cost
	cost.hot
}

# The first hot window; a scope stays hot where the window that made it so has no call in it any more.
hot(windows) := found[0] if {
	found := [window | some window in windows; window.hot]
} else := {"limit_micro_usd": 0, "percent": 0, "rate_micro_usd": 0, "window": "1h"}
