# METADATA
# title: Weir
# description: Collects what every concern found and folds it into one decision.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir

import data.weir.lib.call
import data.weir.lib.candidate

# METADATA
# title: Decision
# description: The one document the engine reads. Always defined, whatever the input.
# entrypoint: true
decision := allowed if {
	count(deny) == 0
	count(throttle) == 0
	count(reroute) == 0
	count(oblige) == 0
	count(advise) == 0
} else := {
	"effect": effect,
	"obligations": obligations,
	"reasons": reasons,
	"retry_after_ms": retry_after_ms,
	"routes": routes,
}

# What most calls get: nothing was found, so there is nothing to fold.
allowed := {"effect": "allow", "obligations": {}, "reasons": [], "retry_after_ms": 0, "routes": []}

# Concerns of Weir and of the organisation; a new package under either is collected without a list to edit.
deny := array.concat([f | some f in data.weir.rules[_].deny], [f | some f in data.org.rules[_].deny])

throttle := array.concat([f | some f in data.weir.rules[_].throttle], [f | some f in data.org.rules[_].throttle])

reroute := array.concat([f | some f in data.weir.rules[_].reroute], [f | some f in data.org.rules[_].reroute])

oblige := array.concat([f | some f in data.weir.rules[_].oblige], [f | some f in data.org.rules[_].oblige])

# What is worth saying and changes nothing.
advise := array.concat([f | some f in data.weir.rules[_].advise], [f | some f in data.org.rules[_].advise])

denied := [f | some f in deny; not waived(f)]

throttled := [f | some f in throttle; not waived(f)]

obliged := [f | some f in oblige; not waived(f)]

default effect := "allow"

effect := "block" if count(denied) > 0

effect := "throttle" if {
	count(denied) == 0
	count(throttled) > 0
}

# Most severe first, then by code, then by content: sets have no order in WASM.
reasons := [entry[2] |
	some entry in sort([[rank(f.severity), f.code, shown(f)] |
		some list in [deny, throttle, reroute, oblige, advise]
		some f in list
	])
]

default rank(_) := 0

rank(severity) := {"critical": 0, "error": 1, "warning": 2, "info": 3}[severity]

# Undefined for a rule that is off.
shown(f) := object.remove(f, ["cure"]) if not waived(f)

shown(f) := object.union(object.remove(f, ["cure"]), {"shadow": true}) if mode(f.code) == "shadow"

shown(f) := object.union(object.remove(f, ["cure"]), {"waiver": waivers(f)[0]}) if {
	mode(f.code) == "enforce"
}

# Whatever is not said to be in shadow or off counts, a finding without a code too.
waived(f) if mode(f.code) in ["shadow", "off"]

waived(f) if count(waivers(f)) > 0

# Where tenant, team and everybody's modes differ, the strictest holds.
default mode(_) := "enforce"

mode(code) := "shadow" if {
	"shadow" in modes(code)
	count(modes(code) - {"shadow", "off"}) == 0
}

mode(code) := "off" if modes(code) == {"off"}

modes(code) := {m |
	some rules in [data.config.modes.rules, of_tenant, of_team]
	m := rules[code]
} if {
	not always(code)
}

default of_tenant := {}

of_tenant := data.config.modes.tenant_rules[input.intent.tenant]

default of_team := {}

of_team := data.config.modes.team_rules[input.intent.attribution.team]

# Ids of the waivers that cover a finding: in the order of the bundle, so the same one is always named.
waivers(f) := [waiver.id | some waiver in waiving; waiver.code == f.code]

# Those that are about this call: looked for once, however many findings there are.
waiving := [waiver |
	some waiver in data.config.waivers
	waiver.code in codes
	waiver.until >= input.facts.local_date
	not always(waiver.code)
	call.matches(waiver.match)
]

codes := {f.code | some list in [deny, throttle, reroute, oblige, advise]; some f in list}

# Malformed input and freezes are never in shadow.
always(code) if startswith(code, "shape.")

always(code) if startswith(code, "freeze.")

default retry_after_ms := 0

retry_after_ms := max(array.concat([1], [f.params.retry_after_ms | some f in throttled])) if effect == "throttle"

default routes := []

routes := array.slice([c.model | some i, c in input.candidates; offered(c); not repeated(i, c)], 0, 3) if {
	not incurable(denied)
	not incurable(throttled)
}

incurable(findings) if {
	some f in findings
	not f.cure == "model"
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
	not waived(f)
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
	some name, value in {
		"headers": headers,
		"max_output_tokens": output,
		"service_tier": service_tier,
		"strip": strip,
	}
	not value in [{}, [], null]
} if {
	effect == "allow"
	count(obliged) > 0
}

default output := null

output := min([n | n := obliged[_].params.max_output_tokens])

default service_tier := null

service_tier := "flex" if "flex" in {t | t := obliged[_].params.service_tier}

strip := sort([feature | some feature in {f | f := obliged[_].params.strip}])

headers[name] := min([f.params.value | some f in obliged; f.params.header == name]) if {
	name := obliged[_].params.header
}
