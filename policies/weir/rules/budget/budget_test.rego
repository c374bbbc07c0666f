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

codes(findings) := {f.code | some f in findings}

test_warning if {
	expected := {{
		"code": "budget.warning",
		"cure": "none",
		"params": {"budget": "search-month", "level": 95, "used_percent": 95},
		"rule": "Budget warning",
		"severity": "warning",
	}}
	found := {f | some f in budget.advise; f.code == "budget.warning"} with input as testing.with_budget({"used_percent": 95})
		with data.config as testing.config
	found == expected
}

test_the_highest_warning_level_is_named if {
	levels := {f.params.level | some f in budget.advise; f.code == "budget.warning"} with input as testing.with_budget({"used_percent": 98})
		with data.config as testing.config
	levels == {98}
}

test_no_warning_below_the_first_level if {
	not "budget.warning" in codes(budget.advise) with input as testing.with_budget({"used_percent": 94})
		with data.config as testing.config
}

test_no_warning_without_levels if {
	not "budget.warning" in codes(budget.advise) with input as testing.with_budget({"used_percent": 100})
		with data.config as testing.configured({"limits": {"warning_percents": []}})
}

test_no_warning_where_it_does_not_fit if {
	not "budget.warning" in codes(budget.advise) with input as testing.with_budget({"fits": false, "mode": "soft", "used_percent": 99})
		with data.config as testing.config
}

test_degrade if {
	expected := {
	{
		"code": "budget.degrade",
		"cure": "none",
		"params": {"budget": "search-month", "strip": feature, "used_percent": 98},
		"rule": "Budget nearly gone",
		"severity": "info",
	} |
		some feature in ["web_search", "images"]
	}
	found := {f | some f in budget.oblige; f.code == "budget.degrade"} with input as testing.with_budget({"used_percent": 98})
		with data.config as testing.config
	found == expected
}

test_degrade_at_the_limit if {
	not "budget.degrade" in codes(budget.oblige) with input as testing.with_budget({"used_percent": 97})
		with data.config as testing.config
}

test_no_degrade_where_it_does_not_fit if {
	not "budget.degrade" in codes(budget.oblige) with input as testing.with_budget({"fits": false, "mode": "soft", "used_percent": 99})
		with data.config as testing.config
}

test_limits_of_a_team if {
	config := testing.configured({"tuning": {"teams": {"search": {"single_call_micro_usd": 19999}}}})
	codes(budget.deny) == {"budget.single_call"} with input as testing.call with data.config as config
}
