package weir.rules.sensitivity_test

import data.weir.rules.sensitivity
import data.weir.testing

test_quiet_deny if {
	sensitivity.deny == set() with input as testing.call with data.config as testing.config
}

test_quiet_advise if {
	sensitivity.advise == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	sensitivity.advise == set() with input as {} with data.config as testing.config
}

test_undefined_input_deny if {
	sensitivity.deny == set() with input as {} with data.config as testing.config
}

test_unknown if {
	expected := {
		{
			"code": "sensitivity.unknown",
			"cure": "none",
			"params": {"sensitivity": "secret"},
			"rule": "Unknown sensitivity",
			"severity": "error",
		},
		{
			"code": "sensitivity.clearance",
			"cure": "model",
			"params": {
				"clearance": "confidential",
				"model": "acme:large",
				"sensitivity": "secret",
			},
			"rule": "Sensitivity above clearance",
			"severity": "critical",
		},
	}
	sensitivity.deny == expected with input as testing.changed({"intent": {"data": {"sensitivity": "secret"}}}) with data.config as testing.config
}

test_clearance if {
	expected := {{
		"code": "sensitivity.clearance",
		"cure": "model",
		"params": {
			"clearance": "confidential",
			"model": "acme:large",
			"sensitivity": "restricted",
		},
		"rule": "Sensitivity above clearance",
		"severity": "critical",
	}}
	sensitivity.deny == expected with input as testing.changed({"intent": {"data": {"sensitivity": "restricted"}}}) with data.config as testing.config
}

test_unspecified_takes_default if {
	expected := {{
		"code": "sensitivity.clearance",
		"cure": "model",
		"params": {
			"clearance": "confidential",
			"model": "acme:large",
			"sensitivity": "restricted",
		},
		"rule": "Sensitivity above clearance",
		"severity": "critical",
	}}
	sensitivity.deny == expected with input as testing.changed({"intent": {"data": {"sensitivity": "unspecified"}}}) with data.config as testing.configured({"limits": {"default_sensitivity": "restricted"}})
}

test_unspecified_passes_by_default if {
	sensitivity.deny == set() with input as testing.changed({"intent": {"data": {"sensitivity": "unspecified"}}}) with data.config as testing.config
}

test_residency if {
	expected := {{
		"code": "sensitivity.residency",
		"cure": "model",
		"params": {"model": "acme:large", "residency": "ap"},
		"rule": "Region not allowed",
		"severity": "critical",
	}}
	sensitivity.deny == expected with input as testing.changed({"intent": {"data": {"residency": "ap"}}}) with data.config as testing.config
}

test_residency_anywhere if {
	sensitivity.deny == set() with input as testing.changed({"intent": {"data": {"residency": ""}}}) with data.config as testing.config
}

test_class if {
	expected := {{
		"code": "sensitivity.class",
		"cure": "model",
		"params": {"class": "phi", "model": "acme:large"},
		"rule": "Data class excluded",
		"severity": "critical",
	}}
	sensitivity.deny == expected with input as testing.changed({"intent": {"data": {"classes": ["pii", "phi"]}}}) with data.config as testing.config
}

test_unknown_model_is_refused_elsewhere if {
	sensitivity.deny == set() with input as testing.changed({
		"intent": {
			"model": "acme:none",
			"data": {"sensitivity": "restricted", "residency": "ap"},
		},
	})
		with data.config as testing.config
}

test_model_without_contract if {
	expected := {
		{
			"code": "sensitivity.clearance",
			"cure": "model",
			"params": {"clearance": "nothing", "model": "acme:large", "sensitivity": "internal"},
			"rule": "Sensitivity above clearance",
			"severity": "critical",
		},
		{
			"code": "sensitivity.residency",
			"cure": "model",
			"params": {"model": "acme:large", "residency": "eu"},
			"rule": "Region not allowed",
			"severity": "critical",
		},
	}
	sensitivity.deny == expected with input as testing.call with data.config as {"models": {"acme:large": {}}}
}

test_alternative if {
	expected := {{
		"code": "sensitivity.alternative",
		"cure": "none",
		"params": {"model": "vault:large"},
		"rule": "Cleared alternative",
		"severity": "info",
	}}
	sensitivity.advise == expected with input as testing.changed({"intent": {"data": {"sensitivity": "restricted"}}}) with data.config as testing.config
}

test_alternative_for_class if {
	expected := {{
		"code": "sensitivity.alternative",
		"cure": "none",
		"params": {"model": "vault:large"},
		"rule": "Cleared alternative",
		"severity": "info",
	}}
	sensitivity.advise == expected with input as testing.changed({"intent": {"data": {"classes": ["phi"]}}}) with data.config as testing.config
}

test_no_alternative_in_region if {
	sensitivity.advise == set() with input as testing.changed({"intent": {"data": {"sensitivity": "restricted", "residency": "us"}}}) with data.config as testing.config
}

test_no_alternative_without_grant if {
	sensitivity.advise == set() with input as testing.changed({
		"intent": {"attribution": {"team": "guests"}, "data": {"sensitivity": "restricted"}},
	})
		with data.config as testing.config
}

test_no_alternative_here if {
	sensitivity.advise == set() with input as testing.changed({
		"intent": {
			"attribution": {"environment": "dev"},
			"data": {"sensitivity": "restricted"},
		},
	})
		with data.config as testing.config
}

kept(days) := testing.configured({"limits": {"retention_days": {"internal": days}}})

test_retention if {
	expected := {{
		"code": "sensitivity.retention",
		"cure": "model",
		"params": {"days": 30, "limit": 29, "model": "acme:large", "sensitivity": "internal"},
		"rule": "Kept too long",
		"severity": "critical",
	}}
	sensitivity.deny == expected with input as testing.call with data.config as kept(29)
}

test_retention_at_the_limit if {
	sensitivity.deny == set() with input as testing.call with data.config as kept(30)
}

test_retention_of_what_nothing_is_said_about if {
	call := testing.changed({"intent": {"data": {"sensitivity": "public"}}})
	sensitivity.deny == set() with input as call with data.config as kept(0)
}

test_retention_of_the_default if {
	call := testing.changed({"intent": {"data": {"sensitivity": "unspecified"}}})
	config := testing.configured({"limits": {"retention_days": {"confidential": 7}}})
	{f.code | some f in sensitivity.deny} == {"sensitivity.retention"} with input as call
		with data.config as config
}

test_retention_offers_who_forgets if {
	alternatives := {f.params.model | some f in sensitivity.advise} with input as testing.call
		with data.config as kept(0)
	alternatives == {"vault:large"}
}

test_retention_that_is_not_said_is_for_ever if {
	models := {"acme:large": object.remove(testing.config.models["acme:large"], ["retention_days"])}
	config := object.union(object.remove(kept(30), ["models"]), {"models": models})
	{f.params.days | some f in sensitivity.deny} == {36500} with input as testing.call with data.config as config
}
