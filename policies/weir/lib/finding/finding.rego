# METADATA
# title: Findings
# description: Turns a rule's own METADATA and its parameters into a finding.
package weir.lib.finding

# METADATA
# title: Finding
# description: >-
#   Code, severity and cure come from the METADATA of the calling rule. One that has none still counts,
#   as an error that nothing cures.
of(annotations, params) := {
	"code": object.get(annotations, ["custom", "code"], "policy.unlabelled"),
	"cure": object.get(annotations, ["custom", "cure"], "none"),
	"params": params,
	"rule": object.get(annotations, "title", "unlabelled"),
	"severity": object.get(annotations, ["custom", "severity"], "error"),
}
