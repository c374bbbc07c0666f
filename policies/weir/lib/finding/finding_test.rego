package weir.lib.finding_test

import data.weir.lib.finding

whole := {
	"custom": {"code": "a.b", "cure": "model", "message": "no", "severity": "info"},
	"title": "A rule",
}

test_metadata_makes_the_finding if {
	expected := {"code": "a.b", "cure": "model", "params": {"n": 1}, "rule": "A rule", "severity": "info"}
	finding.of(whole, {"n": 1}) == expected
}

test_nothing_cures_what_does_not_say_so if {
	finding.of(json.remove(whole, ["custom/cure"]), {}).cure == "none"
}

test_without_metadata_it_counts_as_an_error if {
	expected := {
		"code": "policy.unlabelled",
		"cure": "none",
		"params": {},
		"rule": "unlabelled",
		"severity": "error",
	}
	finding.of({}, {}) == expected
}

test_half_of_the_metadata_is_kept if {
	found := finding.of({"custom": {"code": "a.b"}}, {})
	found.code == "a.b"
	found.severity == "error"
	found.rule == "unlabelled"
}
