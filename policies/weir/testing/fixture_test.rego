# METADATA
# title: Fixture
# description: A call that every rule lets pass, and the configuration it is judged by.
package weir.testing

config := {
	"attribution": {"mandatory": {
		"default": {"default": ["team"], "prod": ["team", "user"]},
		"strict": {"default": ["team", "feature"]},
	}},
	"limits": {
		"reservation_ttl_ms": 120000,
		"single_call_micro_usd": 1000000,
		"run_micro_usd": 5000000,
		"run_steps": 20,
		"agent_children": 10,
		"agent_depth": 3,
		"agent_repeats": 4,
		"retry_attempts": 5,
		"retry_percent": 50,
		"retry_calls_min": 10,
		"retry_ceiling_ms": 10000,
		"permanent_errors": ["content_filter"],
		"soft_share_percent": 80,
		"soft_output_tokens": 256,
		"output_tokens": {"default": 4096, "dev": 1024},
		"unreported_percent": 30,
		"unreported_calls_min": 20,
		"unreported_retry_ms": 60000,
		"default_sensitivity": "confidential",
		"provider_errors": ["overloaded"],
		"flex_deadline_ms": 600000,
		"cache_gap_tokens": 20000,
		"warning_percents": [95, 98],
		"degrade_share_percent": 97,
		"degrade_strip": ["web_search", "images"],
		"retention_days": {"restricted": 30, "confidential": 30},
	},
	"hours": [{
		"id": "nights",
		"match": {"environment": "batch"},
		"weekdays": ["mon", "tue"],
		"from": "22:00",
		"to": "06:00",
	}],
	"modes": {"tenants": {}, "rules": {}, "tenant_rules": {}, "team_rules": {}},
	"models": {
		"acme:large": {
			"provider": "acme",
			"tier": 3,
			"clearance": "confidential",
			"regions": ["eu", "us"],
			"excluded_classes": ["phi"],
			"operations": ["chat", "completion"],
			"environments": [],
			"context_tokens": 100000,
			"output_tokens_max": 8000,
			"retention_days": 30,
		},
		"acme:small": {
			"provider": "acme",
			"tier": 1,
			"clearance": "confidential",
			"regions": ["eu", "us"],
			"excluded_classes": ["phi"],
			"operations": ["chat"],
			"environments": [],
			"context_tokens": 32000,
			"output_tokens_max": 4000,
			"retention_days": 60,
		},
		"vault:large": {
			"provider": "vault",
			"tier": 3,
			"clearance": "restricted",
			"regions": ["eu"],
			"excluded_classes": [],
			"operations": ["chat"],
			"environments": ["prod", "staging"],
			"context_tokens": 100000,
			"output_tokens_max": 8000,
			"retention_days": 0,
		},
	},
	"tasks": {"classify": {"tier": 1}, "plan": {"tier": 3}},
	"tuning": {"tenants": {}, "teams": {}},
	"waivers": [],
	"teams": {
		"search": {"tenant": "acme", "cost_centers": ["cc-1"], "models": ["acme:*", "vault:large"]},
		"guests": {"tenant": "acme", "cost_centers": ["cc-2"], "models": ["acme:small"]},
		"others": {"tenant": "globex", "cost_centers": ["cc-3"], "models": ["*:*"]},
	},
}

call := {
	"candidates": [
		{
			"clearance": "confidential",
			"cost_micro_usd": 1000,
			"model": "acme:small",
			"regions": ["eu", "us"],
			"tier": 1,
		},
		{
			"clearance": "restricted",
			"cost_micro_usd": 30000,
			"model": "vault:large",
			"regions": ["eu"],
			"tier": 3,
		},
	],
	"context": {
		"budgets": [budget],
		"freezes": [],
		"run": {"children": 0, "repeats": 0, "siblings": 0, "spent_micro_usd": 40000, "steps": 3},
		"state": "fresh",
		"velocity": [scope],
	},
	"facts": {
		"cost_micro_usd": 20000,
		"fits_context": true,
		"flex_priced": true,
		"known": true,
		"local_date": "2026-11-25",
		"local_time": "09:30",
		"local_weekday": "wed",
		"output_tokens": 800,
		"priced": true,
		"tokens": 3200,
		"unreported_calls": 100,
		"unreported_percent": 5,
	},
	"intent": {
		"attempt": {"number": 1, "reason": ""},
		"attribution": {
			"cost_center": "cc-1",
			"customer": "",
			"environment": "prod",
			"feature": "answers",
			"service": "api",
			"team": "search",
			"user": "u-1",
		},
		"data": {"classes": ["pii"], "residency": "eu", "sensitivity": "internal"},
		"deadline_ms": 60000,
		"labels": {},
		"model": "acme:large",
		"operation": "chat",
		"principal": "p-1",
		"prompt": {"id": "", "version": ""},
		"release": "r-1",
		"run": {"depth": 1, "fingerprint": "f-1", "id": "run-1", "step": 4},
		"service_tier": "standard",
		"task": "plan",
		"tenant": "acme",
		"tokens": {"cache_read": 0, "input": 2400, "n": 1, "output_max": 800},
	},
	"mode": "enforce",
	"now_ms": 1795000000000,
}

budget := {
	"cost": 20000,
	"fits": true,
	"id": "search-month",
	"mode": "hard",
	"on_state_loss": "closed",
	"remaining": 9000000,
	"resets_in_ms": 86400000,
	"unit": "usd",
	"used_percent": 40,
}

scope := {
	"call_cost": null,
	"hot": false,
	"in_flight": 2,
	"kind": "team",
	"retry_after_ms": 0,
	"scope": "team:search",
	"windows": [window],
}

window := {
	"armed": true,
	"attempts": 100,
	"baseline_ready": true,
	"calls": 95,
	"hot": false,
	"limit_micro_usd": 3000000,
	"percent": 90,
	"rate_micro_usd": 900000,
	"retry_percent": 5,
	"window": "1m",
}

# METADATA
# title: Changed
# description: The call with other values at some depth; lists are replaced whole.
changed(values) := object.union(call, values)

# METADATA
# title: With budget
# description: The call under one budget that differs so.
with_budget(values) := changed({"context": {"budgets": [object.union(budget, values)]}})

# METADATA
# title: With scope
# description: The call in one velocity scope that differs so.
with_scope(values) := changed({"context": {"velocity": [object.union(scope, values)]}})

# METADATA
# title: Configured
# description: The configuration with other values at some depth.
configured(values) := object.union(config, values)
