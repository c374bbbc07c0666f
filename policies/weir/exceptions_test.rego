package weir.exceptions_test

import data.weir
import data.weir.testing

deep := testing.changed({"intent": {"run": {"depth": 9}}})

waiver := {
	"approver": "ciso",
	"code": "agent.depth",
	"id": "w-1",
	"match": {"team": "search"},
	"reason": "migration",
	"until": "2026-11-25",
}

waived(list) := testing.configured({"waivers": list})

test_waived if {
	expected := {
		"effect": "allow",
		"obligations": {},
		"reasons": [{
			"code": "agent.depth",
			"params": {"depth": 9, "limit": 3},
			"rule": "Agents too deep",
			"severity": "error",
			"waiver": "w-1",
		}],
		"retry_after_ms": 0,
		"routes": [],
	}
	weir.decision == expected with input as deep with data.config as waived([waiver])
}

test_waiver_ends_with_its_day if {
	config := waived([object.union(waiver, {"until": "2026-11-24"})])
	weir.decision.effect == "block" with input as deep with data.config as config
}

test_waiver_of_another_rule if {
	config := waived([object.union(waiver, {"code": "agent.steps"})])
	weir.decision.effect == "block" with input as deep with data.config as config
}

test_waiver_of_other_calls if {
	config := waived([object.union(waiver, {"match": {"team": "guests"}})])
	weir.decision.effect == "block" with input as deep with data.config as config
}

test_first_waiver_is_named if {
	config := waived([object.union(waiver, {"id": "w-2"}), waiver])
	weir.decision.reasons[0].waiver == "w-2" with input as deep with data.config as config
}

test_waiver_without_a_date_counts_for_nothing if {
	call := json.remove(deep, ["facts/local_date"])
	weir.decision.effect == "block" with input as call with data.config as waived([waiver])
}

test_waived_throttle if {
	scope := {"hot": true, "retry_after_ms": 4000, "windows": []}
	call := testing.with_scope(scope)
	config := waived([object.union(waiver, {"code": "velocity.hot"})])
	weir.decision.effect == "allow" with input as call with data.config as config
	weir.decision.retry_after_ms == 0 with input as call with data.config as config
	weir.decision.effect == "throttle" with input as call with data.config as testing.config
}

test_waived_reroute if {
	call := testing.changed({"intent": {"task": "classify"}})
	config := waived([object.union(waiver, {"code": "routing.overkill"})])
	weir.decision.routes == [] with input as call with data.config as config
}

test_waived_oblige if {
	call := testing.with_budget({"used_percent": 90})
	config := waived([object.union(waiver, {"code": "budget.soft_share"})])
	weir.decision.obligations == {} with input as call with data.config as config
}

test_malformed_input_and_freezes_are_never_waived if {
	frozen := testing.changed({"context": {"freezes": [{"reason": "incident 7", "scope": "team:search"}]}})
	config := waived([object.union(waiver, {"code": "freeze.active"})])
	weir.decision.effect == "block" with input as frozen with data.config as config
	malformed := testing.changed({"facts": {"tokens": "many"}})
	shaped := waived([object.union(waiver, {"code": "shape.facts"})])
	weir.decision.effect == "block" with input as malformed with data.config as shaped
	count([r | some r in weir.decision.reasons; r.waiver]) == 0 with input as malformed with data.config as shaped
}

test_shadow_is_said_rather_than_a_waiver if {
	config := object.union(waived([waiver]), {"modes": {"rules": {"agent.depth": "shadow"}}})
	reason := weir.decision.reasons[0] with input as deep with data.config as config
	reason.shadow
	not reason.waiver
}

moded(modes) := testing.configured({"modes": modes})

effect_by := {
	"everybody": {"rules": {"agent.depth": "shadow"}},
	"team": {"team_rules": {"search": {"agent.depth": "shadow"}}},
	"tenant": {"tenant_rules": {"acme": {"agent.depth": "shadow"}}},
}

test_shadow_by_everybody_tenant_or_team if {
	every modes in effect_by {
		weir.decision.effect == "allow" with input as deep with data.config as moded(modes)
		weir.decision.reasons[0].shadow with input as deep with data.config as moded(modes)
	}
}

test_modes_of_others if {
	modes := {"team_rules": {"guests": {"agent.depth": "off"}}, "tenant_rules": {"globex": {"agent.depth": "off"}}}
	weir.decision.effect == "block" with input as deep with data.config as moded(modes)
}

test_the_strictest_mode_holds if {
	enforced := {"rules": {"agent.depth": "shadow"}, "team_rules": {"search": {"agent.depth": "enforce"}}}
	weir.decision.effect == "block" with input as deep with data.config as moded(enforced)
	shadowed := {"rules": {"agent.depth": "off"}, "tenant_rules": {"acme": {"agent.depth": "shadow"}}}
	weir.decision.reasons[0].shadow with input as deep with data.config as moded(shadowed)
	off := {"rules": {"agent.depth": "off"}, "team_rules": {"search": {"agent.depth": "off"}}}
	weir.decision.reasons == [] with input as deep with data.config as moded(off)
}

test_calls_without_a_team_have_no_team_modes if {
	call := json.remove(deep, ["intent/attribution/team"])
	modes := {"rules": {"agent.depth": "off"}}
	"agent.depth" in {r.code | some r in weir.decision.reasons} with input as call
		with data.config as testing.config
	not "agent.depth" in {r.code | some r in weir.decision.reasons} with input as call
		with data.config as moded(modes)
}

test_waived_sensitivity_is_not_rerouted if {
	call := testing.changed({"intent": {"data": {"classes": ["phi"]}}})
	config := waived([object.union(waiver, {"code": "sensitivity.class"})])
	weir.decision.effect == "allow" with input as call with data.config as config
	weir.decision.routes == [] with input as call with data.config as config
}
