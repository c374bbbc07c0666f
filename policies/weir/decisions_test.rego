package weir_decisions_test

import data.weir
import data.weir.testing

# Goal: what each rule alone makes of a call: the whole decision, with the reasons by their codes.

allowed := {"codes": [], "effect": "allow", "obligations": {}, "retry_after_ms": 0, "routes": []}

decided(call, config) := object.union(object.remove(decision, ["reasons"]), {"codes": codes}) if {
	decision := weir.decision with input as call with data.config as config
	codes := [reason.code | some reason in decision.reasons]
}

test_nothing if {
	decided(testing.call, testing.config) == allowed
}

test_agents_too_deep if {
	call := testing.changed({"intent": {"run": {"depth": 4}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["agent.depth"], "effect": "block"})
}

test_agent_loop if {
	call := testing.changed({"context": {"run": {"repeats": 4}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["agent.loop"], "effect": "block"})
}

test_run_too_long if {
	call := testing.changed({"context": {"run": {"steps": 20}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["agent.steps"], "effect": "block"})
}

test_run_too_expensive if {
	call := testing.changed({"context": {"run": {"spent_micro_usd": 5000000}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["agent.run_budget"], "effect": "block"})
}

test_attribution_missing if {
	call := testing.changed({"intent": {"attribution": {"user": ""}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["attribution.missing"], "effect": "block"})
}

test_unknown_team if {
	call := testing.changed({"intent": {"attribution": {"team": "ghosts"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["attribution.unknown_team", "authorization.model_not_granted"],
		"effect": "block",
	})
}

test_foreign_team if {
	call := testing.changed({"intent": {"attribution": {"cost_center": "cc-3", "team": "others"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["attribution.foreign_team"],
		"effect": "block",
	})
}

test_cost_center_of_another_team if {
	call := testing.changed({"intent": {"attribution": {"cost_center": "cc-2"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["attribution.cost_center"],
		"effect": "block",
	})
}

test_unknown_model if {
	call := testing.changed({"facts": {"known": false}, "intent": {"model": "acme:huge"}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["authorization.unknown_model"],
		"effect": "block",
	})
}

test_unpriced_model if {
	call := testing.changed({"facts": {"priced": false}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["authorization.unpriced_model"],
		"effect": "block",
	})
}

test_model_not_granted if {
	call := testing.changed({"intent": {"attribution": {"cost_center": "cc-2", "team": "guests"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["authorization.model_not_granted"],
		"effect": "block",
	})
}

test_environment_not_granted if {
	call := testing.changed({"intent": {"attribution": {"environment": "dev"}, "model": "vault:large"}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["authorization.environment"],
		"effect": "block",
	})
}

test_operation_not_offered if {
	call := testing.changed({"intent": {"operation": "embedding"}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["authorization.operation"],
		"effect": "block",
	})
}

test_budget_exhausted if {
	call := testing.with_budget({"fits": false, "remaining": 5000})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["budget.exhausted"],
		"effect": "block",
		"routes": ["acme:small"],
	})
}

test_quota_exhausted if {
	call := testing.with_budget({"fits": false, "remaining": 3, "unit": "calls"})
	decided(call, testing.config) == object.union(allowed, {"codes": ["budget.quota"], "effect": "block"})
}

test_budget_unavailable if {
	call := testing.with_budget({"fits": null, "remaining": null, "used_percent": null})
	decided(call, testing.config) == object.union(allowed, {"codes": ["budget.unavailable"], "effect": "block"})
}

test_single_call_too_expensive if {
	call := testing.changed({"facts": {"cost_micro_usd": 1000001}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["budget.single_call"],
		"effect": "block",
		"routes": ["acme:small", "vault:large"],
	})
}

test_soft_budget_overrun if {
	call := testing.with_budget({"fits": false, "mode": "soft"})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["budget.soft_over"],
		"obligations": {"max_output_tokens": 256},
	})
}

test_budget_nearly_used if {
	call := testing.with_budget({"used_percent": 81})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["budget.soft_share"],
		"obligations": {"max_output_tokens": 256},
	})
}

test_budget_warning if {
	call := testing.with_budget({"used_percent": 95})
	config := testing.configured({"limits": {"soft_share_percent": 100}})
	decided(call, config) == object.union(allowed, {"codes": ["budget.warning"]})
}

test_budget_nearly_gone if {
	call := testing.with_budget({"used_percent": 98})
	config := testing.configured({"limits": {"soft_share_percent": 100, "warning_percents": []}})
	decided(call, config) == object.union(allowed, {
		"codes": ["budget.degrade", "budget.degrade"],
		"obligations": {"strip": ["images", "web_search"]},
	})
}

test_frozen if {
	call := testing.changed({"context": {"freezes": [{"reason": "incident", "scope": "team:search"}]}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["freeze.active"], "effect": "block"})
}

test_outside_of_hours if {
	call := testing.changed({"intent": {"attribution": {"environment": "batch"}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["hours.closed"], "effect": "block"})
}

test_prompt_too_long if {
	call := testing.changed({"facts": {"fits_context": false}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["prompt.too_long"],
		"effect": "block",
		"routes": ["acme:small", "vault:large"],
	})
}

test_output_is_capped if {
	call := testing.changed({"intent": {"tokens": {"output_max": 5000}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["prompt.output_cap"],
		"obligations": {"max_output_tokens": 4096},
	})
}

test_nothing_is_cached if {
	call := testing.changed({"intent": {"tokens": {"input": 20000}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["prompt.cache_gap"]})
}

test_too_many_attempts if {
	call := testing.changed({"intent": {"attempt": {"number": 6}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["retry.attempts"], "effect": "block"})
}

test_pointless_retry if {
	call := testing.changed({"intent": {"attempt": {"number": 2, "reason": "content_filter"}}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["retry.pointless"], "effect": "block"})
}

test_retry_storm if {
	window := object.union(testing.window, {"retry_percent": 51})
	call := testing.changed({
		"context": {"velocity": [object.union(testing.scope, {"windows": [window]})]},
		"intent": {"attempt": {"number": 2}},
	})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["retry.storm"],
		"effect": "throttle",
		"retry_after_ms": 1000,
	})
}

test_model_better_than_the_task_needs if {
	call := testing.changed({"intent": {"task": "classify"}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["routing.overkill"],
		"routes": ["acme:small"],
	})
}

test_provider_in_trouble if {
	call := testing.changed({"intent": {"attempt": {"number": 2, "reason": "overloaded"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["routing.fallback"],
		"routes": ["vault:large"],
	})
}

test_time_for_flex if {
	call := testing.changed({"intent": {"deadline_ms": 600000}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["routing.flex"],
		"obligations": {"service_tier": "flex"},
	})
}

test_sensitivity_that_nobody_knows if {
	call := testing.changed({"intent": {"data": {"sensitivity": "secret"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["sensitivity.clearance", "sensitivity.unknown"],
		"effect": "block",
	})
}

test_no_clearance if {
	call := testing.changed({"intent": {"data": {"sensitivity": "restricted"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["sensitivity.clearance", "sensitivity.alternative"],
		"effect": "block",
		"routes": ["vault:large"],
	})
}

test_wrong_region if {
	call := testing.changed({"intent": {"data": {"residency": "jp"}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["sensitivity.residency"],
		"effect": "block",
	})
}

test_excluded_class if {
	call := testing.changed({"intent": {"data": {"classes": ["phi"]}}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["sensitivity.class", "sensitivity.alternative"],
		"effect": "block",
		"routes": ["vault:large"],
	})
}

test_kept_too_long if {
	call := testing.changed({"intent": {"data": {"sensitivity": "confidential"}, "model": "acme:small"}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["sensitivity.retention", "sensitivity.alternative"],
		"effect": "block",
		"routes": ["vault:large"],
	})
}

test_input_that_is_not_whole if {
	call := object.remove(testing.call, ["mode"])
	decided(call, testing.config) == object.union(allowed, {"codes": ["shape.input"], "effect": "block"})
}

test_configuration_that_is_not_whole if {
	call := testing.call
	config := object.remove(testing.config, ["attribution"])
	decided(call, config) == object.union(allowed, {"codes": ["shape.config"], "effect": "block"})
}

test_facts_that_are_not_whole if {
	call := testing.changed({"facts": {"tokens": "many"}})
	decided(call, testing.config) == object.union(allowed, {"codes": ["shape.facts"], "effect": "block"})
}

test_unreported_calls if {
	call := testing.changed({"facts": {"unreported_percent": 31}})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["unreported.share"],
		"effect": "throttle",
		"retry_after_ms": 60000,
	})
}

test_hot_scope if {
	call := testing.with_scope({"hot": true, "retry_after_ms": 700})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["velocity.hot"],
		"effect": "throttle",
		"retry_after_ms": 700,
	})
}

test_hot_model if {
	call := testing.with_scope({"hot": true, "kind": "model", "retry_after_ms": 700, "scope": "model:acme:large"})
	decided(call, testing.config) == object.union(allowed, {
		"codes": ["velocity.model_hot"],
		"effect": "throttle",
		"retry_after_ms": 700,
		"routes": ["acme:small", "vault:large"],
	})
}
