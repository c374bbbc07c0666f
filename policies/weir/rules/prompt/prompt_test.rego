package weir.rules.prompt_test

import data.weir.rules.prompt
import data.weir.testing

test_quiet_deny if {
	prompt.deny == set() with input as testing.call with data.config as testing.config
}

test_quiet_oblige if {
	prompt.oblige == set() with input as testing.call with data.config as testing.config
}

test_undefined_input_deny if {
	prompt.deny == set() with input as {} with data.config as testing.config
}

test_undefined_input_oblige if {
	prompt.oblige == set() with input as {} with data.config as testing.config
}

test_too_long if {
	expected := {{
		"code": "prompt.too_long",
		"cure": "model",
		"params": {"limit": 100000, "model": "acme:large", "tokens": 120000},
		"rule": "Context too long",
		"severity": "error",
	}}
	prompt.deny == expected with input as testing.changed({"facts": {"fits_context": false, "tokens": 120000}}) with data.config as testing.config
}

test_unknown_model_has_no_context if {
	prompt.deny == set() with input as testing.changed({"facts": {"fits_context": false, "known": false}}) with data.config as testing.config
}

test_output_cap if {
	expected := {{
		"code": "prompt.output_cap",
		"cure": "none",
		"params": {"environment": "dev", "max_output_tokens": 1024},
		"rule": "Output cap",
		"severity": "info",
	}}
	prompt.oblige == expected with input as testing.changed({
		"intent": {"attribution": {"environment": "dev"}, "tokens": {"output_max": 1025}},
	})
		with data.config as testing.config
}

test_output_cap_at_limit if {
	prompt.oblige == set() with input as testing.changed({
		"intent": {"attribution": {"environment": "dev"}, "tokens": {"output_max": 1024}},
	})
		with data.config as testing.config
}

test_output_cap_where_none_asked if {
	expected := {{
		"code": "prompt.output_cap",
		"cure": "none",
		"params": {"environment": "prod", "max_output_tokens": 4096},
		"rule": "Output cap",
		"severity": "info",
	}}
	prompt.oblige == expected with input as testing.changed({"intent": {"tokens": {"output_max": 0}}}) with data.config as testing.config
}

step(tokens) := testing.changed({"intent": {"tokens": tokens}})

test_cache_gap if {
	expected := {{
		"code": "prompt.cache_gap",
		"cure": "none",
		"params": {"steps": 3, "tokens": 20000},
		"rule": "Nothing cached",
		"severity": "info",
	}}
	prompt.advise == expected with input as step({"input": 20000}) with data.config as testing.config
}

test_cache_gap_below_the_limit if {
	prompt.advise == set() with input as step({"input": 19999}) with data.config as testing.config
}

test_no_cache_gap_where_something_is_read if {
	prompt.advise == set() with input as step({"cache_read": 1, "input": 20000}) with data.config as testing.config
}

test_no_cache_gap_in_the_first_step if {
	call := object.union(step({"input": 20000}), {"context": {"run": {"steps": 0}}})
	prompt.advise == set() with input as call with data.config as testing.config
}

test_no_cache_gap_outside_a_run if {
	call := object.union(step({"input": 20000}), {"context": {"run": null}})
	prompt.advise == set() with input as call with data.config as testing.config
}
