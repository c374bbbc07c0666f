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
