# METADATA
# title: Unreported calls
# description: Who never says what a call cost is slowed, so silence is no way to spend.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.unreported

import data.weir.lib.finding
import data.weir.lib.limit

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
	"limit": limit.effective.unreported_percent,
	"percent": input.facts.unreported_percent,
	"retry_after_ms": limit.effective.unreported_retry_ms,
}) if {
	input.facts.unreported_calls >= limit.effective.unreported_calls_min
	input.facts.unreported_percent > limit.effective.unreported_percent
}
