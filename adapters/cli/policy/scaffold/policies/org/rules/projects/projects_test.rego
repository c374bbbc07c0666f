package org.rules.projects_test

import data.org.rules.projects
import data.weir.testing

# A call that every rule of the library lets pass, for a project, at a price.
call(project, cost_micro_usd) := testing.changed({
	"facts": {"cost_micro_usd": cost_micro_usd},
	"intent": {"labels": {"project": project}},
})

known := {
	"atlas": {"open": true, "single_call_micro_usd": 50000},
	"zephyr": {"open": false, "single_call_micro_usd": 50000},
}

test_open_project if {
	projects.deny == set() with input as call("atlas", 50000) with data.org.projects as known
}

test_closed_project if {
	some f in projects.deny with input as call("zephyr", 50000) with data.org.projects as known
	f.code == "project.closed"
	f.params == {"project": "zephyr"}
}

test_dear_call if {
	some f in projects.deny with input as call("atlas", 50001) with data.org.projects as known
	f.code == "project.single_call"
	f.cure == "model"
	f.params == {"cost_micro_usd": 50001, "limit_micro_usd": 50000, "project": "atlas"}
}

test_without_project if {
	projects.deny == set() with input as testing.call with data.org.projects as known
}

test_undefined_input if {
	projects.deny == set() with input as {} with data.org.projects as known
}
