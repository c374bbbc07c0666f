package weir.lib.limit_test

import data.weir.lib.limit
import data.weir.testing

tuned(tuning) := testing.configured({"tuning": tuning})

test_untuned if {
	limit.effective == testing.config.limits with input as testing.call with data.config as testing.config
}

test_no_tuning_at_all if {
	config := object.remove(testing.config, ["tuning"])
	limit.effective == testing.config.limits with input as testing.call with data.config as config
}

test_tenant if {
	config := tuned({"tenants": {"acme": {"run_steps": 7}, "globex": {"run_steps": 8}}})
	limit.effective.run_steps == 7 with input as testing.call with data.config as config
	limit.effective.agent_depth == 3 with input as testing.call with data.config as config
}

test_team if {
	config := tuned({"teams": {"search": {"run_steps": 9}, "guests": {"run_steps": 8}}})
	limit.effective.run_steps == 9 with input as testing.call with data.config as config
	limit.effective.agent_depth == 3 with input as testing.call with data.config as config
}

test_team_before_tenant if {
	config := tuned({
		"teams": {"search": {"run_steps": 9}},
		"tenants": {"acme": {"agent_depth": 6, "run_steps": 7}},
	})
	limit.effective.run_steps == 9 with input as testing.call with data.config as config
	limit.effective.agent_depth == 6 with input as testing.call with data.config as config
	limit.effective.agent_repeats == 4 with input as testing.call with data.config as config
}

test_caps_by_environment_merge if {
	config := tuned({"teams": {"search": {"output_tokens": {"prod": 16}}}})
	limit.effective.output_tokens == {"default": 4096, "dev": 1024, "prod": 16} with input as testing.call
		with data.config as config
}

test_without_a_team if {
	call := testing.changed({"intent": {"attribution": {"team": ""}}})
	config := tuned({"teams": {"search": {"run_steps": 9}}})
	limit.effective.run_steps == 20 with input as call with data.config as config
}
