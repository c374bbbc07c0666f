package weir.rules.agent_test

import data.weir.rules.agent
import data.weir.testing

test_quiet if {
	agent.deny == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	agent.deny == set() with input as {} with data.config as testing.config
}

test_outside_a_run if {
	agent.deny == set() with input as testing.changed({"context": {"run": null}}) with data.config as testing.config
}

test_depth if {
	expected := {{
		"code": "agent.depth",
		"cure": "none",
		"params": {"depth": 4, "limit": 3},
		"rule": "Agents too deep",
		"severity": "error",
	}}
	agent.deny == expected with input as testing.changed({"intent": {"run": {"depth": 4}}}) with data.config as testing.config
}

test_depth_at_limit if {
	agent.deny == set() with input as testing.changed({"intent": {"run": {"depth": 3}}}) with data.config as testing.config
}

test_loop if {
	expected := {{
		"code": "agent.loop",
		"cure": "none",
		"params": {"limit": 4, "repeats": 4},
		"rule": "Agent loop",
		"severity": "error",
	}}
	agent.deny == expected with input as testing.changed({"context": {"run": {"repeats": 4}}}) with data.config as testing.config
}

test_loop_needs_a_fingerprint if {
	agent.deny == set() with input as testing.changed({
		"context": {"run": {"repeats": 4}},
		"intent": {"run": {"fingerprint": ""}},
	})
		with data.config as testing.config
}

test_steps if {
	expected := {{
		"code": "agent.steps",
		"cure": "none",
		"params": {"limit": 20, "steps": 20},
		"rule": "Run too long",
		"severity": "error",
	}}
	agent.deny == expected with input as testing.changed({"context": {"run": {"steps": 20}}}) with data.config as testing.config
}

test_run_budget if {
	expected := {{
		"code": "agent.run_budget",
		"cure": "none",
		"params": {"limit_micro_usd": 5000000, "spent_micro_usd": 5000000},
		"rule": "Run too expensive",
		"severity": "error",
	}}
	agent.deny == expected with input as testing.changed({"context": {"run": {"spent_micro_usd": 5000000}}}) with data.config as testing.config
}

test_fan_out if {
	expected := {{
		"code": "agent.fan_out",
		"cure": "none",
		"params": {"children": 10, "limit": 10},
		"rule": "Agent fan-out",
		"severity": "error",
	}}
	agent.deny == expected with input as testing.changed({"context": {"run": {"siblings": 10, "steps": 0}}}) with data.config as testing.config
}

test_fan_out_below_its_limit if {
	agent.deny == set() with input as testing.changed({"context": {"run": {"siblings": 9, "steps": 0}}}) with data.config as testing.config
}

test_fan_out_spares_runs_that_have_begun if {
	agent.deny == set() with input as testing.changed({"context": {"run": {"siblings": 30, "steps": 1}}}) with data.config as testing.config
}
