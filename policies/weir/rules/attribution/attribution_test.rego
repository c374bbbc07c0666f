package weir.rules.attribution_test

import data.weir.rules.attribution
import data.weir.testing

test_quiet if {
	attribution.deny == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	attribution.deny == set() with input as {} with data.config as testing.config
}

test_missing if {
	expected := {{
		"code": "attribution.missing",
		"cure": "none",
		"params": {"environment": "prod", "field": "user", "tenant": "acme"},
		"rule": "Attribution missing",
		"severity": "error",
	}}
	attribution.deny == expected with input as testing.changed({"intent": {"attribution": {"user": ""}}}) with data.config as testing.config
}

test_missing_by_default_environment if {
	expected := {{
		"code": "attribution.missing",
		"cure": "none",
		"params": {"environment": "dev", "field": "team", "tenant": "acme"},
		"rule": "Attribution missing",
		"severity": "error",
	}}
	attribution.deny == expected with input as testing.changed({
		"intent": {
			"attribution": {"environment": "dev", "team": "", "user": "", "cost_center": ""},
		},
	})
		with data.config as testing.config
}

test_missing_by_tenant if {
	expected := {
		{
			"code": "attribution.missing",
			"cure": "none",
			"params": {"environment": "prod", "field": "feature", "tenant": "strict"},
			"rule": "Attribution missing",
			"severity": "error",
		},
		{
			"code": "attribution.missing",
			"cure": "none",
			"params": {"environment": "prod", "field": "team", "tenant": "strict"},
			"rule": "Attribution missing",
			"severity": "error",
		},
	}
	attribution.deny == expected with input as testing.changed({
		"intent": {
			"tenant": "strict",
			"attribution": {"team": "", "feature": "", "user": "", "cost_center": ""},
		},
	})
		with data.config as testing.config
}

test_not_mandatory if {
	attribution.deny == set() with input as testing.changed({
		"intent": {
			"attribution": {"environment": "dev", "user": "", "feature": "", "cost_center": ""},
		},
	})
		with data.config as testing.config
}

test_unknown_team if {
	expected := {{
		"code": "attribution.unknown_team",
		"cure": "none",
		"params": {"team": "nobody"},
		"rule": "Unknown team",
		"severity": "error",
	}}
	attribution.deny == expected with input as testing.changed({"intent": {"attribution": {"team": "nobody"}}}) with data.config as testing.config
}

test_foreign_team if {
	expected := {{
		"code": "attribution.foreign_team",
		"cure": "none",
		"params": {"team": "others", "tenant": "acme"},
		"rule": "Team of another tenant",
		"severity": "critical",
	}}
	attribution.deny == expected with input as testing.changed({"intent": {"attribution": {"team": "others", "cost_center": "cc-3"}}}) with data.config as testing.config
}

test_cost_center if {
	expected := {{
		"code": "attribution.cost_center",
		"cure": "none",
		"params": {"cost_center": "cc-2", "team": "search"},
		"rule": "Cost center of another team",
		"severity": "error",
	}}
	attribution.deny == expected with input as testing.changed({"intent": {"attribution": {"cost_center": "cc-2"}}}) with data.config as testing.config
}
