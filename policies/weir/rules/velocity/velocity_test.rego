package weir.rules.velocity_test

import data.weir.rules.velocity
import data.weir.testing

test_quiet if {
	velocity.throttle == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	velocity.throttle == set() with input as {} with data.config as testing.config
}

test_hot if {
	expected := {{
		"code": "velocity.hot",
		"cure": "none",
		"params": {
			"limit_micro_usd": 3000000,
			"percent": 700,
			"rate_micro_usd": 9000000,
			"retry_after_ms": 4000,
			"scope": "team:search",
			"window": "1m",
		},
		"rule": "Spend too fast",
		"severity": "warning",
	}}
	velocity.throttle == expected with input as testing.with_scope({
		"hot": true,
		"retry_after_ms": 4000,
		"windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": true, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 5, "window": "1m"}],
	})
		with data.config as testing.config
}

test_model_hot if {
	expected := {{
		"code": "velocity.model_hot",
		"cure": "model",
		"params": {
			"limit_micro_usd": 3000000,
			"percent": 700,
			"rate_micro_usd": 9000000,
			"retry_after_ms": 4000,
			"scope": "model:acme:large",
			"window": "1m",
		},
		"rule": "Model spend too fast",
		"severity": "warning",
	}}
	velocity.throttle == expected with input as testing.with_scope({
		"hot": true,
		"kind": "model",
		"scope": "model:acme:large",
		"retry_after_ms": 4000,
		"windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": true, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 5, "window": "1m"}],
	})
		with data.config as testing.config
}

test_model_cool if {
	velocity.throttle == set() with input as testing.with_scope({"kind": "model"}) with data.config as testing.config
}

test_hot_without_its_window if {
	expected := {{
		"code": "velocity.hot",
		"cure": "none",
		"params": {
			"limit_micro_usd": 0,
			"percent": 0,
			"rate_micro_usd": 0,
			"retry_after_ms": 4000,
			"scope": "team:search",
			"window": "1h",
		},
		"rule": "Spend too fast",
		"severity": "warning",
	}}
	velocity.throttle == expected with input as testing.with_scope({"hot": true, "retry_after_ms": 4000, "windows": []}) with data.config as testing.config
}

test_call_cost if {
	expected := {{
		"code": "velocity.call_cost",
		"cure": "none",
		"params": {
			"excess_micro_usd": 1200000,
			"limit_micro_usd": 1000000,
			"retry_after_ms": 900000,
			"scope": "team:search",
			"usual_micro_usd": 2000,
		},
		"rule": "Calls cost too much",
		"severity": "warning",
	}}
	velocity.throttle == expected with input as testing.with_scope({"call_cost": {
		"armed": true,
		"excess_micro_usd": 1200000,
		"hot": true,
		"limit_micro_usd": 1000000,
		"retry_after_ms": 900000,
		"usual_micro_usd": 2000,
	}})
		with data.config as testing.config
}

test_call_cost_below_its_limit if {
	velocity.throttle == set() with input as testing.with_scope({"call_cost": {
		"armed": true,
		"excess_micro_usd": 900000,
		"hot": false,
		"limit_micro_usd": 1000000,
		"retry_after_ms": 0,
		"usual_micro_usd": 2000,
	}})
		with data.config as testing.config
}
