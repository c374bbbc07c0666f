package weir.rules.unreported_test

import data.weir.rules.unreported
import data.weir.testing

test_quiet if {
	unreported.throttle == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	unreported.throttle == set() with input as {} with data.config as testing.config
}

test_share if {
	expected := {{
		"code": "unreported.share",
		"cure": "none",
		"params": {"calls": 20, "limit": 30, "percent": 31, "retry_after_ms": 60000},
		"rule": "Calls left unreported",
		"severity": "warning",
	}}
	unreported.throttle == expected with input as testing.changed({"facts": {"unreported_calls": 20, "unreported_percent": 31}}) with data.config as testing.config
}

test_share_at_limit if {
	unreported.throttle == set() with input as testing.changed({"facts": {"unreported_percent": 30}}) with data.config as testing.config
}

test_share_of_few_calls if {
	unreported.throttle == set() with input as testing.changed({"facts": {"unreported_calls": 19, "unreported_percent": 90}}) with data.config as testing.config
}
