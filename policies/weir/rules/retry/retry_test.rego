package weir.rules.retry_test

import data.weir.rules.retry
import data.weir.testing

test_quiet_deny if {
	retry.deny == set() with input as testing.call with data.config as testing.config
}

test_quiet_throttle if {
	retry.throttle == set() with input as testing.call with data.config as testing.config
}

test_undefined_input_deny if {
	retry.deny == set() with input as {} with data.config as testing.config
}

test_undefined_input_throttle if {
	retry.throttle == set() with input as {} with data.config as testing.config
}

test_attempts if {
	expected := {{
		"code": "retry.attempts",
		"cure": "none",
		"params": {"attempt": 6, "limit": 5},
		"rule": "Too many attempts",
		"severity": "error",
	}}
	retry.deny == expected with input as testing.changed({"intent": {"attempt": {"number": 6, "reason": "timeout"}}}) with data.config as testing.config
}

test_attempts_at_limit if {
	retry.deny == set() with input as testing.changed({"intent": {"attempt": {"number": 5, "reason": "timeout"}}}) with data.config as testing.config
}

test_pointless if {
	expected := {{
		"code": "retry.pointless",
		"cure": "none",
		"params": {"reason": "content_filter"},
		"rule": "Pointless retry",
		"severity": "error",
	}}
	retry.deny == expected with input as testing.changed({"intent": {"attempt": {"number": 2, "reason": "content_filter"}}}) with data.config as testing.config
}

test_first_attempt_is_no_retry if {
	retry.deny == set() with input as testing.changed({"intent": {"attempt": {"number": 1, "reason": "content_filter"}}}) with data.config as testing.config
}

test_storm if {
	expected := {{
		"code": "retry.storm",
		"cure": "none",
		"params": {"percent": 60, "retry_after_ms": 1000, "scope": "feature:answers"},
		"rule": "Retry storm",
		"severity": "warning",
	}}
	retry.throttle == expected with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_backs_off if {
	expected := {{
		"code": "retry.storm",
		"cure": "none",
		"params": {"percent": 60, "retry_after_ms": 4000, "scope": "feature:answers"},
		"rule": "Retry storm",
		"severity": "warning",
	}}
	retry.throttle == expected with input as testing.changed({
		"intent": {"attempt": {"number": 4, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_up_to_the_ceiling if {
	expected := {{
		"code": "retry.storm",
		"cure": "none",
		"params": {"percent": 60, "retry_after_ms": 10000, "scope": "feature:answers"},
		"rule": "Retry storm",
		"severity": "warning",
	}}
	retry.throttle == expected with input as testing.changed({
		"intent": {"attempt": {"number": 9, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_spares_first_attempts if {
	retry.throttle == set() with input as testing.changed({
		"intent": {"attempt": {"number": 1, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_needs_calls if {
	retry.throttle == set() with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 9, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_of_just_enough_calls if {
	expected := {{
		"code": "retry.storm",
		"cure": "none",
		"params": {"percent": 60, "retry_after_ms": 1000, "scope": "feature:answers"},
		"rule": "Retry storm",
		"severity": "warning",
	}}
	retry.throttle == expected with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 10, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_above_its_percent_only if {
	retry.throttle == set() with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 50, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_in_the_minute_only if {
	retry.throttle == set() with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "feature", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1h"}]}],
		},
	})
		with data.config as testing.config
}

test_storm_of_a_team_or_feature_only if {
	retry.throttle == set() with input as testing.changed({
		"intent": {"attempt": {"number": 2, "reason": "timeout"}},
		"context": {
			"velocity": [{"hot": false, "in_flight": 2, "kind": "model", "retry_after_ms": 0, "scope": "feature:answers", "windows": [{"armed": true, "attempts": 100, "baseline_ready": true, "calls": 95, "hot": false, "limit_micro_usd": 3000000, "percent": 700, "rate_micro_usd": 9000000, "retry_percent": 60, "window": "1m"}]}],
		},
	})
		with data.config as testing.config
}
