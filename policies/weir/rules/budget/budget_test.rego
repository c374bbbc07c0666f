package weir.rules.budget_test

import data.weir.rules.budget
import data.weir.testing

test_quiet_deny if {
	budget.deny == set() with input as testing.call with data.config as testing.config
}

test_quiet_oblige if {
	budget.oblige == set() with input as testing.call with data.config as testing.config
}

test_undefined_input_deny if {
	budget.deny == set() with input as {} with data.config as testing.config
}

test_undefined_input_oblige if {
	budget.oblige == set() with input as {} with data.config as testing.config
}

test_exhausted if {
	expected := {{
		"code": "budget.exhausted",
		"cure": "model",
		"params": {
			"budget": "search-month",
			"cost_micro_usd": 20000,
			"remaining_micro_usd": 10,
			"resets_in_ms": 86400000,
		},
		"rule": "Budget exhausted",
		"severity": "error",
	}}
	budget.deny == expected with input as testing.with_budget({"fits": false, "remaining": 10}) with data.config as testing.config
}

test_fits_is_the_judge if {
	budget.deny == set() with input as testing.with_budget({"fits": true, "remaining": -1}) with data.config as testing.config
}

test_quota if {
	expected := {{
		"code": "budget.quota",
		"cure": "none",
		"params": {
			"budget": "search-month",
			"cost": 3200,
			"remaining": 100,
			"resets_in_ms": 86400000,
			"unit": "tokens",
		},
		"rule": "Quota exhausted",
		"severity": "error",
	}}
	budget.deny == expected with input as testing.with_budget({"fits": false, "unit": "tokens", "cost": 3200, "remaining": 100}) with data.config as testing.config
}

test_quota_fits if {
	budget.deny == set() with input as testing.with_budget({"unit": "calls"}) with data.config as testing.config
}

test_soft_quota_does_not_deny if {
	budget.deny == set() with input as testing.with_budget({"fits": false, "mode": "soft", "unit": "calls"}) with data.config as testing.config
}

test_hard_over_is_no_soft_over if {
	budget.oblige == set() with input as testing.with_budget({"fits": false, "used_percent": 99}) with data.config as testing.config
}

test_soft_within if {
	budget.oblige == set() with input as testing.with_budget({"mode": "soft"}) with data.config as testing.config
}

test_soft_does_not_deny if {
	budget.deny == set() with input as testing.with_budget({"fits": false, "mode": "soft", "remaining": 10}) with data.config as testing.config
}

test_unavailable if {
	expected := {{
		"code": "budget.unavailable",
		"cure": "none",
		"params": {"budget": "search-month"},
		"rule": "Budget unavailable",
		"severity": "error",
	}}
	budget.deny == expected with input as testing.with_budget({"fits": null, "remaining": null, "used_percent": null}) with data.config as testing.config
}

test_unavailable_open if {
	budget.deny == set() with input as testing.with_budget({
		"fits": null,
		"remaining": null,
		"used_percent": null,
		"on_state_loss": "open",
	})
		with data.config as testing.config
}

test_single_call if {
	expected := {{
		"code": "budget.single_call",
		"cure": "model",
		"params": {"cost_micro_usd": 1000001, "limit_micro_usd": 1000000},
		"rule": "Single call too expensive",
		"severity": "error",
	}}
	budget.deny == expected with input as testing.changed({"facts": {"cost_micro_usd": 1000001}}) with data.config as testing.config
}

test_single_call_at_limit if {
	budget.deny == set() with input as testing.changed({"facts": {"cost_micro_usd": 1000000}}) with data.config as testing.config
}

test_soft_over if {
	expected := {{
		"code": "budget.soft_over",
		"cure": "none",
		"params": {"budget": "search-month", "max_output_tokens": 256, "used_percent": 104},
		"rule": "Soft budget overrun",
		"severity": "warning",
	}}
	budget.oblige == expected with input as testing.with_budget({"fits": false, "mode": "soft", "used_percent": 104}) with data.config as testing.config
}

test_soft_share if {
	expected := {{
		"code": "budget.soft_share",
		"cure": "none",
		"params": {"budget": "search-month", "max_output_tokens": 256, "used_percent": 81},
		"rule": "Budget nearly used",
		"severity": "info",
	}}
	budget.oblige == expected with input as testing.with_budget({"used_percent": 81}) with data.config as testing.config
}

test_soft_share_at_limit if {
	budget.oblige == set() with input as testing.with_budget({"used_percent": 80}) with data.config as testing.config
}
