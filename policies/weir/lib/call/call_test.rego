package weir.lib.call_test

import data.weir.lib.call
import data.weir.testing

test_nothing_named_matches_all if {
	call.matches({}) with input as testing.call
}

test_fields if {
	named := {
		"cost_center": "cc-1",
		"customer": "",
		"environment": "prod",
		"feature": "answers",
		"model": "acme:large",
		"operation": "chat",
		"principal": "p-1",
		"service": "api",
		"task": "plan",
		"team": "search",
		"tenant": "acme",
		"user": "u-1",
	}
	call.matches(named) with input as testing.call
	every field, value in named {
		call.matches({field: value}) with input as testing.call
		not call.matches({field: "other"}) with input as testing.call
		not call.matches(object.union(named, {field: "other"})) with input as testing.call
	}
}

test_unknown_field_matches_nothing if {
	not call.matches({"region": ""}) with input as testing.call
}
