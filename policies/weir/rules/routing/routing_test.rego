package weir.rules.routing_test

import data.weir.rules.routing
import data.weir.testing

test_quiet if {
	routing.reroute == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	routing.reroute == set() with input as {} with data.config as testing.config
}

# The other candidate is good enough as well but dearer.
test_overkill if {
	expected := {{
		"code": "routing.overkill",
		"cure": "none",
		"params": {"cost_micro_usd": 1000, "model": "acme:small", "task": "classify"},
		"rule": "Overkill",
		"severity": "info",
	}}
	routing.reroute == expected with input as testing.changed({"intent": {"task": "classify"}}) with data.config as testing.config
}

test_unknown_task if {
	routing.reroute == set() with input as testing.changed({"intent": {"task": "other"}}) with data.config as testing.config
}

test_no_overkill_by_an_equal_tier if {
	routing.reroute == set() with input as testing.changed({
		"candidates": [{"clearance": "restricted", "cost_micro_usd": 1000, "model": "vault:large", "regions": ["eu"], "tier": 3}],
	})
		with data.config as testing.config
}

test_not_good_enough if {
	routing.reroute == set() with input as testing.changed({
		"intent": {"task": "classify"},
		"candidates": [{"clearance": "confidential", "cost_micro_usd": 1000, "model": "acme:small", "regions": ["eu"], "tier": 0}],
	})
		with data.config as testing.config
}

test_not_cheaper if {
	routing.reroute == set() with input as testing.changed({"intent": {"task": "classify"}, "facts": {"cost_micro_usd": 1000}}) with data.config as testing.config
}

test_not_suitable if {
	routing.reroute == set() with input as testing.changed({"intent": {"task": "classify", "operation": "completion"}}) with data.config as testing.config
}

test_the_cheapest_is_offered if {
	found := routing.reroute with input as testing.changed({
		"intent": {"task": "classify"},
		"candidates": [
			{"clearance": "confidential", "cost_micro_usd": 1500, "model": "acme:small", "regions": ["eu"], "tier": 1},
			{"clearance": "confidential", "cost_micro_usd": 1400, "model": "acme:small", "regions": ["eu"], "tier": 2},
		],
	})
		with data.config as testing.config
	{f.params.cost_micro_usd | some f in found} == {1400}
}

retried(reason) := testing.changed({"intent": {"attempt": {"number": 2, "reason": reason}}})

test_fallback if {
	expected := {{
		"code": "routing.fallback",
		"cure": "none",
		"params": {"model": "vault:large", "reason": "overloaded"},
		"rule": "Provider in trouble",
		"severity": "info",
	}}
	routing.reroute == expected with input as retried("overloaded") with data.config as testing.config
}

test_no_fallback_for_another_reason if {
	routing.reroute == set() with input as retried("user_retry") with data.config as testing.config
}

test_no_fallback_on_the_first_attempt if {
	call := testing.changed({"intent": {"attempt": {"number": 1, "reason": "overloaded"}}})
	routing.reroute == set() with input as call with data.config as testing.config
}

test_no_fallback_within_the_provider if {
	call := object.union(retried("overloaded"), {"candidates": [testing.call.candidates[0]]})
	routing.reroute == set() with input as call with data.config as testing.config
}

test_no_fallback_to_what_may_not_be_called if {
	call := object.union(retried("overloaded"), {"intent": {"attribution": {"team": "guests"}}})
	routing.reroute == set() with input as call with data.config as testing.config
}

waiting(values) := testing.changed(object.union({"intent": {"deadline_ms": 600000}}, values))

test_flex if {
	expected := {{
		"code": "routing.flex",
		"cure": "none",
		"params": {"deadline_ms": 600000, "service_tier": "flex"},
		"rule": "Time to spare",
		"severity": "info",
	}}
	routing.oblige == expected with input as waiting({}) with data.config as testing.config
}

test_no_flex if {
	every values in [
		{"intent": {"deadline_ms": 599999}},
		{"intent": {"deadline_ms": 0}},
		{"intent": {"service_tier": "priority"}},
		{"facts": {"flex_priced": false}},
	] {
		routing.oblige == set() with input as waiting(values) with data.config as testing.config
	}
}

test_flex_never_asked if {
	routing.oblige == set() with input as waiting({})
		with data.config as testing.configured({"limits": {"flex_deadline_ms": 0}})
	routing.oblige == set() with input as waiting({"intent": {"deadline_ms": 0}})
		with data.config as testing.configured({"limits": {"flex_deadline_ms": 0}})
}

test_no_cheaper_model_of_a_provider_in_trouble if {
	call := object.union(retried("overloaded"), {"intent": {"task": "classify"}})
	{f.code | some f in routing.reroute} == {"routing.fallback"} with input as call with data.config as testing.config
}
