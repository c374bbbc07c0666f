package weir.lib.grant_test

import data.weir.lib.grant
import data.weir.testing

granted(models) := testing.configured({"teams": {"search": {"models": models}}})

test_by_id if {
	config := granted(["acme:large"])
	grant.team("acme:large") with input as testing.call with data.config as config
	not grant.team("acme:small") with input as testing.call with data.config as config
}

test_by_provider if {
	config := granted(["acme:*"])
	grant.team("acme:small") with input as testing.call with data.config as config
	not grant.team("vault:large") with input as testing.call with data.config as config
}

test_all_of_them if {
	grant.team("vault:large") with input as testing.call with data.config as granted(["*:*"])
}

test_no_pattern_but_these if {
	every pattern in ["*", "acme:la*", "*:large", "acme", ""] {
		not grant.team("acme:large") with input as testing.call with data.config as granted([pattern])
	}
}

test_nothing_granted if {
	not grant.team("acme:large") with input as testing.call with data.config as granted([])
}

test_no_team_breaks_no_grant if {
	call := testing.changed({"intent": {"attribution": {"team": ""}}})
	grant.team("acme:large") with input as call with data.config as testing.config
}

test_team_that_nobody_knows if {
	call := testing.changed({"intent": {"attribution": {"team": "ghosts"}}})
	not grant.team("acme:large") with input as call with data.config as testing.config
}

test_environment_that_is_listed if {
	grant.environment("vault:large") with input as testing.call with data.config as testing.config
	call := testing.changed({"intent": {"attribution": {"environment": "dev"}}})
	not grant.environment("vault:large") with input as call with data.config as testing.config
}

test_environment_where_none_is_listed if {
	call := testing.changed({"intent": {"attribution": {"environment": "dev"}}})
	grant.environment("acme:large") with input as call with data.config as testing.config
}

test_operation if {
	grant.operation("acme:large") with input as testing.call with data.config as testing.config
	call := testing.changed({"intent": {"operation": "completion"}})
	grant.operation("acme:large") with input as call with data.config as testing.config
	not grant.operation("acme:small") with input as call with data.config as testing.config
}

test_model_that_nobody_knows if {
	not grant.environment("acme:huge") with input as testing.call with data.config as testing.config
	not grant.operation("acme:huge") with input as testing.call with data.config as testing.config
}
