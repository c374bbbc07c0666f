# METADATA
# title: Unreported calls
# description: Who never says what a call cost is slowed, so silence is no way to spend.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.unreported

import data.weir.lib.finding

# METADATA
# title: Calls left unreported
# description: Too many of this principal's recent calls ended without a report.
# custom:
#   code: unreported.share
#   severity: warning
#   message: >-
#     {percent} % of the last {calls} calls of this principal were never reported, {limit} % is the limit;
#     retry in {retry_after_ms}
throttle contains finding.of(rego.metadata.rule(), {
	"calls": input.facts.unreported_calls,
	"limit": data.config.limits.unreported_percent,
	"percent": input.facts.unreported_percent,
	"retry_after_ms": data.config.limits.unreported_retry_ms,
}) if {
	input.facts.unreported_calls >= data.config.limits.unreported_calls_min
	input.facts.unreported_percent > data.config.limits.unreported_percent
}
