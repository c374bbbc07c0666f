# METADATA
# title: Freezes
# description: What an operator froze stands still.
# schemas:
#   - input: schema.input
package weir.rules.freeze

import data.weir.lib.finding

# METADATA
# title: Frozen
# description: An operator froze a scope of this call.
# custom:
#   code: freeze.active
#   severity: critical
#   message: "{scope} is frozen: {reason}"
deny contains finding.of(rego.metadata.rule(), {"reason": freeze.reason, "scope": freeze.scope}) if {
	some freeze in input.context.freezes
}
