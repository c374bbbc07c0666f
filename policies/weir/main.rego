# METADATA
# title: Weir
# description: Collects what every concern found and folds it into one decision.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir

import data.weir.lib.candidate

# METADATA
# title: Decision
# description: The one document the engine reads. Always defined, whatever the input.
# entrypoint: true
decision := {
	"effect": effect,
	"obligations": obligations,
	"reasons": reasons,
	"retry_after_ms": retry_after_ms,
	"routes": routes,
}

# Concerns of Weir and of the organisation; a new package under either is collected without a list to edit.
deny := array.concat([f | some f in data.weir.rules[_].deny], [f | some f in data.org.rules[_].deny])

throttle := array.concat([f | some f in data.weir.rules[_].throttle], [f | some f in data.org.rules[_].throttle])

reroute := array.concat([f | some f in data.weir.rules[_].reroute], [f | some f in data.org.rules[_].reroute])

oblige := array.concat([f | some f in data.weir.rules[_].oblige], [f | some f in data.org.rules[_].oblige])

denied := [f | some f in deny; counts(f)]

throttled := [f | some f in throttle; counts(f)]

obliged := [f | some f in oblige; counts(f)]

default effect := "allow"

effect := "block" if count(denied) > 0

effect := "throttle" if {
	count(denied) == 0
	count(throttled) > 0
}

# Most severe first, then by code, then by content: sets have no order in WASM.
reasons := [entry[2] |
	some entry in sort([[rank(f.severity), f.code, shown(f)] |
		some list in [deny, throttle, reroute, oblige]
		some f in list
	])
]

default rank(_) := 0

rank(severity) := {"critical": 0, "error": 1, "warning": 2, "info": 3}[severity]

# Undefined for a rule that is off.
shown(f) := object.remove(f, ["cure"]) if counts(f)

shown(f) := object.union(object.remove(f, ["cure"]), {"shadow": true}) if mode(f.code) == "shadow"

counts(f) if not mode(f.code) in ["shadow", "off"]

default mode(_) := "enforce"

mode(code) := data.config.modes.rules[code] if not always(code)

# Malformed input and freezes are never in shadow.
always(code) if startswith(code, "shape.")

always(code) if startswith(code, "freeze.")

default retry_after_ms := 0

retry_after_ms := max([ms | some f in throttled; some ms in [1, f.params.retry_after_ms]]) if effect == "throttle"

default routes := []

routes := array.slice([c.model | some i, c in input.candidates; offered(c); not repeated(i, c)], 0, 3) if {
	not incurable(denied)
	not incurable(throttled)
}

incurable(findings) if {
	some f in findings
	f.cure != "model"
}

# Something stands in the way that another model may remove.
offered(c) if {
	effect != "allow"
	candidate.better(c)
}

offered(c) if {
	effect == "allow"
	some f in reroute
	f.params.model == c.model
	counts(f)
}

repeated(_, c) if c.model == input.intent.model

repeated(i, c) if {
	some j, earlier in input.candidates
	j < i
	earlier.model == c.model
}

default obligations := {}

# The strictest of what any rule asks for.
obligations := {name: value |
	some name, value in {"headers": headers, "max_output_tokens": output, "strip": strip}
	not value in [{}, [], null]
} if {
	effect == "allow"
	count(obliged) > 0
}

default output := null

output := min([n | n := obliged[_].params.max_output_tokens])

strip := sort([feature | some feature in {f | f := obliged[_].params.strip}])

headers[name] := min([f.params.value | some f in obliged; f.params.header == name]) if {
	name := obliged[_].params.header
}
