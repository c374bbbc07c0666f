package weir.rules.authorization_test

import data.weir.rules.authorization
import data.weir.testing

test_quiet if {
	authorization.deny == set() with input as testing.call with data.config as testing.config
}

# Without a model there is nothing to name; the shape of the input is refused elsewhere.
test_undefined_input if {
	authorization.deny == set() with input as {} with data.config as testing.config
}

test_unknown_model if {
	expected := {{
		"code": "authorization.unknown_model",
		"cure": "none",
		"params": {"model": "acme:none"},
		"rule": "Unknown model",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"model": "acme:none"}, "facts": {"known": false}}) with data.config as testing.config
}

test_unknown_model_despite_fact if {
	expected := {{
		"code": "authorization.unknown_model",
		"cure": "none",
		"params": {"model": "acme:none"},
		"rule": "Unknown model",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"model": "acme:none"}}) with data.config as testing.config
}

test_unpriced_model if {
	expected := {{
		"code": "authorization.unpriced_model",
		"cure": "none",
		"params": {"model": "acme:large"},
		"rule": "Unpriced model",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"facts": {"priced": false, "cost_micro_usd": 0}}) with data.config as testing.config
}

test_model_not_granted if {
	expected := {{
		"code": "authorization.model_not_granted",
		"cure": "none",
		"params": {"model": "acme:large", "team": "guests"},
		"rule": "Model not granted",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"attribution": {"team": "guests"}}}) with data.config as testing.config
}

test_granted_by_id if {
	authorization.deny == set() with input as testing.changed({"intent": {"attribution": {"team": "guests"}, "model": "acme:small"}}) with data.config as testing.config
}

test_granted_by_provider if {
	authorization.deny == set() with input as testing.changed({"intent": {"model": "acme:small"}}) with data.config as testing.config
}

test_granted_all if {
	authorization.deny == set() with input as testing.changed({"intent": {"attribution": {"team": "others"}, "model": "vault:large"}}) with data.config as testing.config
}

test_no_team_no_grants_to_break if {
	authorization.deny == set() with input as testing.changed({"intent": {"attribution": {"team": ""}}}) with data.config as testing.config
}

test_unknown_team_has_no_grants if {
	expected := {{
		"code": "authorization.model_not_granted",
		"cure": "none",
		"params": {"model": "acme:large", "team": "nobody"},
		"rule": "Model not granted",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"attribution": {"team": "nobody"}}}) with data.config as testing.config
}

test_unknown_model_alone if {
	expected := {{
		"code": "authorization.unknown_model",
		"cure": "none",
		"params": {"model": "acme:none"},
		"rule": "Unknown model",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({
		"intent": {"model": "acme:none", "attribution": {"team": "guests"}},
		"facts": {"known": false, "priced": false},
	})
		with data.config as testing.config
}

test_model_unknown_to_the_host if {
	expected := {{
		"code": "authorization.unknown_model",
		"cure": "none",
		"params": {"model": "acme:large"},
		"rule": "Unknown model",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"facts": {"known": false}}) with data.config as testing.config
}

test_environment if {
	expected := {{
		"code": "authorization.environment",
		"cure": "none",
		"params": {"environment": "dev", "model": "vault:large"},
		"rule": "Environment not granted",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"attribution": {"environment": "dev"}, "model": "vault:large"}}) with data.config as testing.config
}

test_operation if {
	expected := {{
		"code": "authorization.operation",
		"cure": "none",
		"params": {"model": "acme:small", "operation": "embedding"},
		"rule": "Operation not offered",
		"severity": "error",
	}}
	authorization.deny == expected with input as testing.changed({"intent": {"model": "acme:small", "operation": "embedding"}}) with data.config as testing.config
}
