package weir_test

import data.weir
import data.weir.testing

test_allow if {
	expected := {"effect": "allow", "obligations": {}, "reasons": [], "retry_after_ms": 0, "routes": []}
	weir.decision == expected with input as testing.call with data.config as testing.config
}

test_block if {
	expected := {
		"effect": "block",
		"obligations": {},
		"reasons": [
			{
				"code": "freeze.active",
				"params": {"reason": "incident 7", "scope": "team:search"},
				"rule": "Frozen",
				"severity": "critical",
			},
			{
				"code": "agent.depth",
				"params": {"depth": 9, "limit": 3},
				"rule": "Agents too deep",
				"severity": "error",
			},
			{
				"code": "budget.soft_share",
				"params": {"budget": "search-month", "max_output_tokens": 256, "used_percent": 90},
				"rule": "Budget nearly used",
				"severity": "info",
			},
		],
		"retry_after_ms": 0,
		"routes": [],
	}
	call := testing.changed({
		"context": {
			"budgets": [object.union(testing.budget, {"used_percent": 90})],
			"freezes": [{"reason": "incident 7", "scope": "team:search"}],
		},
		"intent": {"run": {"depth": 9}},
	})
	weir.decision == expected with input as call with data.config as testing.config
}

test_undefined_input if {
	weir.decision.effect == "block" with input as {} with data.config as testing.config
	weir.decision.effect == "block" with input as "call" with data.config as testing.config
	weir.decision.effect == "block" with input as null with data.config as testing.config
}

test_no_config if {
	"shape.config" in codes with input as testing.call with data.config as {}
	weir.decision.effect == "block" with input as testing.call with data.config as {}
}

hot(kind, ms) := object.union(testing.scope, {
	"hot": true,
	"kind": kind,
	"retry_after_ms": ms,
	"scope": concat(":", [kind, "x"]),
	"windows": [],
})

test_throttle_waits_for_the_slowest if {
	call := testing.changed({"context": {"velocity": [hot("team", 4000), hot("tenant", 9000)]}})
	weir.decision.effect == "throttle" with input as call with data.config as testing.config
	weir.decision.retry_after_ms == 9000 with input as call with data.config as testing.config
}

test_throttle_always_waits if {
	call := testing.changed({"context": {"velocity": [hot("team", 0)]}})
	weir.decision.retry_after_ms == 1 with input as call with data.config as testing.config
}

test_block_beats_throttle if {
	call := testing.changed({"context": {"velocity": [hot("team", 4000)]}, "intent": {"run": {"depth": 9}}})
	weir.decision.effect == "block" with input as call with data.config as testing.config
	weir.decision.retry_after_ms == 0 with input as call with data.config as testing.config
}

test_routes_of_a_finding if {
	call := testing.changed({"intent": {"task": "classify"}})
	weir.decision.effect == "allow" with input as call with data.config as testing.config
	weir.decision.routes == ["acme:small"] with input as call with data.config as testing.config
}

test_routes_that_cure if {
	call := testing.changed({"intent": {"data": {"sensitivity": "restricted"}}})
	weir.decision.effect == "block" with input as call with data.config as testing.config
	weir.decision.routes == ["vault:large"] with input as call with data.config as testing.config
}

test_routes_that_cure_a_throttle if {
	call := testing.changed({"context": {"velocity": [hot("model", 4000)]}})
	weir.decision.effect == "throttle" with input as call with data.config as testing.config
	weir.decision.routes == ["acme:small", "vault:large"] with input as call with data.config as testing.config
}

test_routes_that_the_budget_pays if {
	call := testing.with_budget({"fits": false, "remaining": 5000})
	weir.decision.routes == ["acme:small"] with input as call with data.config as testing.config
}

test_no_routes_from_an_empty_budget if {
	call := testing.with_budget({"fits": false, "remaining": 0})
	weir.decision.routes == [] with input as call with data.config as testing.config
}

test_routes_cost_no_more_than_the_rest_of_a_budget if {
	call := testing.with_budget({"fits": false, "remaining": 1000})
	weir.decision.routes == ["acme:small"] with input as call with data.config as testing.config
}

test_budgets_that_fit_or_are_soft_refuse_no_route if {
	every values in [
		{"remaining": 0},
		{"fits": false, "mode": "soft", "remaining": 0},
		{"fits": false, "mode": "soft", "remaining": 0, "unit": "calls"},
	] {
		call := testing.changed({
			"context": {"budgets": [object.union(testing.budget, values)]},
			"intent": {"data": {"sensitivity": "restricted"}},
		})
		weir.decision.routes == ["vault:large"] with input as call with data.config as testing.config
	}
}

test_routes_stay_within_the_limit_for_one_call if {
	call := testing.changed({"intent": {"data": {"sensitivity": "restricted"}}})
	below := testing.configured({"limits": {"single_call_micro_usd": 29999}})
	weir.decision.routes == [] with input as call with data.config as below
	at := testing.configured({"limits": {"single_call_micro_usd": 30000}})
	weir.decision.routes == ["vault:large"] with input as call with data.config as at
}

test_a_quota_in_shadow_refuses_no_route if {
	call := testing.changed({
		"context": {"budgets": [object.union(testing.budget, {"fits": false, "remaining": 9, "unit": "tokens"})]},
		"intent": {"data": {"sensitivity": "restricted"}},
	})
	weir.decision.routes == ["vault:large"] with input as call with data.config as moded("budget.quota", "shadow")
}

test_a_cure_must_be_paid_even_where_a_finding_offers_it if {
	call := testing.changed({
		"context": {"budgets": [object.union(testing.budget, {"fits": false, "remaining": 500})]},
		"intent": {"task": "classify"},
	})
	"routing.overkill" in codes with input as call with data.config as testing.config
	weir.decision.routes == [] with input as call with data.config as testing.config
}

test_no_routes_where_one_throttle_is_incurable if {
	call := testing.changed({"context": {"velocity": [hot("model", 4000), hot("team", 4000)]}})
	weir.decision.routes == [] with input as call with data.config as testing.config
}

test_no_routes_where_one_finding_is_incurable if {
	call := testing.changed({"intent": {"data": {"sensitivity": "restricted"}, "run": {"depth": 9}}})
	weir.decision.routes == [] with input as call with data.config as testing.config
}

candidates := [object.union(testing.call.candidates[0], {"model": model}) |
	some model in ["acme:small", "acme:large", "acme:small", "vault:large", "acme:a", "acme:b"]
]

test_routes_are_three_distinct_others if {
	call := testing.changed({"candidates": candidates, "context": {"velocity": [hot("model", 4000)]}})
	models := object.union(testing.config.models, {
		"acme:a": testing.config.models["acme:small"],
		"acme:b": testing.config.models["acme:small"],
	})
	config := testing.configured({"models": models})
	weir.decision.routes == ["acme:small", "vault:large", "acme:a"] with input as call with data.config as config
}

moded(code, mode) := testing.configured({"modes": {"rules": {code: mode}}})

test_rule_in_shadow if {
	expected := {
		"effect": "allow",
		"obligations": {},
		"reasons": [{
			"code": "agent.depth",
			"params": {"depth": 9, "limit": 3},
			"rule": "Agents too deep",
			"severity": "error",
			"shadow": true,
		}],
		"retry_after_ms": 0,
		"routes": [],
	}
	call := testing.changed({"intent": {"run": {"depth": 9}}})
	weir.decision == expected with input as call with data.config as moded("agent.depth", "shadow")
}

test_rule_off if {
	expected := {"effect": "allow", "obligations": {}, "reasons": [], "retry_after_ms": 0, "routes": []}
	call := testing.changed({"intent": {"run": {"depth": 9}}})
	weir.decision == expected with input as call with data.config as moded("agent.depth", "off")
}

test_rule_in_an_unknown_mode_counts if {
	call := testing.changed({"intent": {"run": {"depth": 9}}})
	weir.decision.effect == "block" with input as call with data.config as moded("agent.depth", "shadwo")
}

test_shape_and_freezes_are_never_off if {
	frozen := testing.changed({"context": {"freezes": [{"reason": "incident 7", "scope": "team:search"}]}})
	weir.decision.effect == "block" with input as frozen with data.config as moded("freeze.active", "off")
	malformed := testing.changed({"facts": {"tokens": "many"}})
	weir.decision.effect == "block" with input as malformed with data.config as moded("shape.facts", "off")
}

test_shadow_reroute_has_no_routes if {
	call := testing.changed({"intent": {"task": "classify"}})
	codes == ["routing.overkill"] with input as call with data.config as moded("routing.overkill", "shadow")
	weir.decision.routes == [] with input as call with data.config as moded("routing.overkill", "shadow")
}

test_shadow_oblige_has_no_obligations if {
	call := testing.with_budget({"used_percent": 90})
	weir.decision.obligations == {} with input as call with data.config as moded("budget.soft_share", "shadow")
}

asks(code, params) := {"code": code, "cure": "none", "params": params, "rule": code, "severity": "info"}

test_obligations_merge_to_the_strictest if {
	expected := {"headers": {"x-a": "1", "x-b": "3"}, "max_output_tokens": 100, "strip": ["images", "tools"]}
	asked := {
		asks("org.a", {"header": "x-a", "value": "2"}),
		asks("org.b", {"header": "x-a", "value": "1"}),
		asks("org.c", {"header": "x-b", "value": "3"}),
		asks("org.d", {"max_output_tokens": 100}),
		asks("org.e", {"strip": "tools"}),
		asks("org.f", {"strip": "images"}),
		asks("org.g", {"strip": "tools"}),
	}
	call := testing.with_budget({"used_percent": 90})
	weir.decision.obligations == expected with input as call
		with data.config as testing.config
		with data.org.rules as {"house": {"oblige": asked}}
}

test_obligations_hold_what_was_asked_only if {
	call := testing.with_budget({"used_percent": 90})
	weir.decision.obligations == {"max_output_tokens": 256} with input as call with data.config as testing.config
}

test_no_obligations_on_a_block if {
	call := testing.changed({
		"context": {"budgets": [object.union(testing.budget, {"used_percent": 90})]},
		"intent": {"run": {"depth": 9}},
	})
	weir.decision.obligations == {} with input as call with data.config as testing.config
}

test_rules_of_the_organisation if {
	finding := {"code": "org.x", "cure": "none", "params": {}, "rule": "X", "severity": "error"}
	weir.decision.effect == "block" with input as testing.call
		with data.config as testing.config
		with data.org.rules as {"house": {"deny": {finding}}}
}

# Findings that no METADATA made: they count all the same, and nothing cures them.
test_malformed_findings_count if {
	every finding in [{}, "no", {"code": "org.x", "params": {}, "rule": "X", "severity": "error"}] {
		weir.decision.effect == "block" with input as testing.call
			with data.config as testing.config
			with data.org.rules as {"house": {"deny": {finding}}}
		weir.decision.effect == "throttle" with input as testing.call
			with data.config as testing.config
			with data.org.rules as {"house": {"throttle": {finding}}}
		weir.decision.retry_after_ms == 1 with input as testing.call
			with data.config as testing.config
			with data.org.rules as {"house": {"throttle": {finding}}}
		weir.decision.routes == [] with input as testing.changed({"intent": {"data": {"classes": ["phi"]}}})
			with data.config as testing.config
			with data.org.rules as {"house": {"throttle": {finding}}}
	}
}

codes := [reason.code | some reason in weir.decision.reasons]

test_advice_is_said_and_changes_nothing if {
	finding := {"code": "org.x", "cure": "none", "params": {"max_output_tokens": 1}, "rule": "X", "severity": "info"}
	expected := {
		"effect": "allow",
		"obligations": {},
		"reasons": [object.remove(finding, ["cure"])],
		"retry_after_ms": 0,
		"routes": [],
	}
	weir.decision == expected with input as testing.call
		with data.config as testing.config
		with data.org.rules as {"house": {"advise": {finding}}}
}

test_quiet_advise if {
	count([f | some f in data.weir.rules[_].advise]) == 0 with input as testing.call
		with data.config as testing.config
}

finding_of(kind, cure) := {
	"code": concat(".", ["org", kind, cure]),
	"cure": cure,
	"params": object.get(params_of, kind, {}),
	"rule": kind,
	"severity": "error",
}

params_of := {
	"oblige": {"max_output_tokens": 7},
	"reroute": {"model": "acme:small"},
	"throttle": {"retry_after_ms": 5},
}

# Every pair of findings that can meet, and what must come of it.
pairs := {
	["advise", "none"]: {"effect": "allow", "curable": true},
	["deny", "model"]: {"effect": "block", "curable": true},
	["deny", "none"]: {"effect": "block", "curable": false},
	["oblige", "none"]: {"effect": "allow", "curable": true},
	["reroute", "none"]: {"effect": "allow", "curable": true},
	["throttle", "model"]: {"effect": "throttle", "curable": true},
	["throttle", "none"]: {"effect": "throttle", "curable": false},
}

strength := {"allow": 0, "block": 2, "throttle": 1}

effects := ["allow", "throttle", "block"]

test_every_pair_of_findings if {
	every one, mine in pairs {
		every other, theirs in pairs {
			found := {
				"a": {one[0]: {finding_of(one[0], one[1])}},
				"b": {other[0]: {finding_of(other[0], other[1])}},
			}
			decision := weir.decision with input as testing.call
				with data.config as testing.config
				with data.org.rules as found
			decision.effect == effects[max([strength[mine.effect], strength[theirs.effect]])]
			decision.routes == expected_routes(one, other)
			decision.obligations == expected_obligations(one, other)
		}
	}
}

default expected_routes(_, _) := []

# Something to cure, all of it curable: both candidates are better than what stands.
expected_routes(one, other) := ["acme:small", "vault:large"] if {
	pairs[one].curable
	pairs[other].curable
	max([strength[pairs[one].effect], strength[pairs[other].effect]]) > 0
}

# Nothing to cure, but a finding offers a model.
expected_routes(one, other) := ["acme:small"] if {
	pairs[one].effect == "allow"
	pairs[other].effect == "allow"
	"reroute" in {one[0], other[0]}
}

default expected_obligations(_, _) := {}

expected_obligations(one, other) := {"max_output_tokens": 7} if {
	"oblige" in {one[0], other[0]}
	pairs[one].effect == "allow"
	pairs[other].effect == "allow"
}
