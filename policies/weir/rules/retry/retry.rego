# METADATA
# title: Retries
# description: Retries back off, and stop when they cannot help.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.retry

import data.weir.lib.finding
import data.weir.lib.limit

attempt := input.intent.attempt

limits := limit.effective

# METADATA
# title: Too many attempts
# description: The call was tried too often.
# custom:
#   code: retry.attempts
#   severity: error
#   message: this is attempt {attempt}, {limit} is the limit
deny contains finding.of(rego.metadata.rule(), {"attempt": attempt.number, "limit": limits.retry_attempts}) if {
	attempt.number > limits.retry_attempts
}

# METADATA
# title: Pointless retry
# description: What failed the last attempt fails the next one too.
# custom:
#   code: retry.pointless
#   severity: error
#   message: the last attempt failed with {reason}, which a retry cannot mend
deny contains finding.of(rego.metadata.rule(), {"reason": attempt.reason}) if {
	attempt.number > 1
	attempt.reason in limits.permanent_errors
}

# METADATA
# title: Retry storm
# description: A large share of the last minute's attempts of this team or feature are retries.
# custom:
#   code: retry.storm
#   severity: warning
#   message: "{percent} % of the attempts of {scope} in the last minute are retries; retry in {retry_after_ms}"
throttle contains finding.of(rego.metadata.rule(), {
	"percent": window.retry_percent,
	"retry_after_ms": min([limits.retry_ceiling_ms, backoff]),
	"scope": scope.scope,
}) if {
	attempt.number > 1
	some scope in input.context.velocity
	scope.kind in ["feature", "team"]
	some window in scope.windows
	window.window == "1m"
	window.attempts >= limits.retry_calls_min
	window.retry_percent > limits.retry_percent
}

backoff := wait if {
	wait := [0, 0, 1000, 2000, 4000, 8000, 16000][attempt.number]
} else := limits.retry_ceiling_ms
