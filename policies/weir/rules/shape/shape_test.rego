package weir.rules.shape_test

import data.weir.rules.shape
import data.weir.testing

test_quiet if {
	shape.deny == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	expected := {
		{
			"code": "shape.input",
			"cure": "none",
			"params": {},
			"rule": "Input malformed",
			"severity": "critical",
		},
		{
			"code": "shape.facts",
			"cure": "none",
			"params": {},
			"rule": "Facts missing",
			"severity": "critical",
		},
	}
	shape.deny == expected with input as {} with data.config as testing.config
}

test_input_of_another_type if {
	expected := {
		{
			"code": "shape.input",
			"cure": "none",
			"params": {},
			"rule": "Input malformed",
			"severity": "critical",
		},
		{
			"code": "shape.facts",
			"cure": "none",
			"params": {},
			"rule": "Facts missing",
			"severity": "critical",
		},
	}
	shape.deny == expected with input as "intent" with data.config as testing.config
}

test_no_config if {
	expected := {{
		"code": "shape.config",
		"cure": "none",
		"params": {},
		"rule": "Configuration missing",
		"severity": "critical",
	}}
	shape.deny == expected with input as testing.call with data.config as {}
}

test_input if {
	expected := {{
		"code": "shape.input",
		"cure": "none",
		"params": {},
		"rule": "Input malformed",
		"severity": "critical",
	}}
	shape.deny == expected with input as testing.changed({"intent": {"model": 7}}) with data.config as testing.config
}

test_config if {
	expected := {{
		"code": "shape.config",
		"cure": "none",
		"params": {},
		"rule": "Configuration missing",
		"severity": "critical",
	}}
	shape.deny == expected with input as testing.call with data.config as object.remove(testing.config, ["limits"])
}

test_facts if {
	expected := {{
		"code": "shape.facts",
		"cure": "none",
		"params": {},
		"rule": "Facts missing",
		"severity": "critical",
	}}
	shape.deny == expected with input as testing.changed({"facts": {"cost_micro_usd": null}}) with data.config as testing.config
}

# Every member that a rule reads: a call without it is refused.
test_every_member if {
	every path in [
		"mode",
		"now_ms",
		"facts/flex_priced",
		"facts/local_date",
		"facts/local_time",
		"facts/local_weekday",
		"intent/deadline_ms",
		"intent/principal",
		"intent/service_tier",
		"intent/tokens/cache_read",
		"intent/tokens/input",
		"candidates",
		"context/budgets",
		"context/budgets/0/cost",
		"context/budgets/0/fits",
		"context/budgets/0/id",
		"context/budgets/0/mode",
		"context/budgets/0/remaining",
		"context/budgets/0/resets_in_ms",
		"context/budgets/0/unit",
		"context/budgets/0/used_percent",
		"context/freezes",
		"context/run",
		"context/run/repeats",
		"context/run/spent_micro_usd",
		"context/run/steps",
		"context/state",
		"context/velocity",
		"context/velocity/0/hot",
		"context/velocity/0/kind",
		"context/velocity/0/retry_after_ms",
		"context/velocity/0/scope",
		"context/velocity/0/windows",
		"context/velocity/0/windows/0/attempts",
		"context/velocity/0/windows/0/hot",
		"context/velocity/0/windows/0/limit_micro_usd",
		"context/velocity/0/windows/0/percent",
		"context/velocity/0/windows/0/rate_micro_usd",
		"context/velocity/0/windows/0/retry_percent",
		"context/velocity/0/windows/0/window",
		"facts/cost_micro_usd",
		"facts/fits_context",
		"facts/known",
		"facts/output_tokens",
		"facts/priced",
		"facts/tokens",
		"facts/unreported_calls",
		"facts/unreported_percent",
		"intent/attempt/number",
		"intent/attempt/reason",
		"intent/attribution",
		"intent/attribution/cost_center",
		"intent/attribution/customer",
		"intent/attribution/environment",
		"intent/attribution/feature",
		"intent/attribution/service",
		"intent/attribution/team",
		"intent/attribution/user",
		"intent/data/classes",
		"intent/data/residency",
		"intent/data/sensitivity",
		"intent/model",
		"intent/operation",
		"intent/run/depth",
		"intent/run/fingerprint",
		"intent/task",
		"intent/tenant",
		"intent/tokens/output_max",
	] {
		count(shape.deny) == 1 with input as json.remove(testing.call, [path]) with data.config as testing.config
	}
}

test_every_list if {
	every changed in [
		{"candidates": {}},
		{"context": {"budgets": {}}},
		{"context": {"freezes": {}}},
		{"context": {"freezes": [{"reason": 7, "scope": "team:search"}]}},
		{"context": {"velocity": {}}},
		{"context": {"velocity": [object.union(testing.scope, {"windows": {}})]}},
		{"intent": {"data": {"classes": {}}}},
		{"intent": {"data": {"classes": [7]}}},
	] {
		count(shape.deny) == 1 with input as testing.changed(changed) with data.config as testing.config
	}
}

test_every_part_of_the_configuration if {
	every path in ["attribution/mandatory/default/default", "models", "teams"] {
		config := json.remove(testing.config, [path])
		count(shape.deny) == 1 with input as testing.call with data.config as config
	}
	every name in ["models", "teams", "limits"] {
		config := object.union(json.remove(testing.config, [name]), {name: {}})
		count(shape.deny) == 1 with input as testing.call with data.config as config
	}
}

test_every_state_of_a_budget if {
	every values in [
		{"fits": null},
		{"fits": "yes"},
		{"mode": "firm"},
		{"unit": "eur"},
		{"remaining": null},
		{"used_percent": "40"},
		{"fits": null, "remaining": null, "used_percent": null, "on_state_loss": "maybe"},
		{"fits": null, "remaining": null},
		{"fits": null, "used_percent": null},
		{"fits": "yes", "remaining": null, "used_percent": null},
	] {
		count(shape.deny) == 1 with input as testing.with_budget(values) with data.config as testing.config
	}
}

test_unread_budget if {
	values := {"fits": null, "remaining": null, "used_percent": null}
	count(shape.deny) == 0 with input as testing.with_budget(values) with data.config as testing.config
}

test_frozen_scope_needs_a_name if {
	changed := {"context": {"freezes": [{"reason": "incident"}]}}
	count(shape.deny) == 1 with input as testing.changed(changed) with data.config as testing.config
}
