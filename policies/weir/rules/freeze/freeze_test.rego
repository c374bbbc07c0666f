package weir.rules.freeze_test

import data.weir.rules.freeze
import data.weir.testing

test_quiet if {
	freeze.deny == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	freeze.deny == set() with input as {} with data.config as testing.config
}

test_active if {
	expected := {{
		"code": "freeze.active",
		"cure": "none",
		"params": {"reason": "incident 7", "scope": "team:search"},
		"rule": "Frozen",
		"severity": "critical",
	}}
	freeze.deny == expected with input as testing.changed({
		"context": {"freezes": [{"reason": "incident 7", "scope": "team:search"}]},
	})
		with data.config as testing.config
}
