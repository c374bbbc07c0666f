package weir.lib.clearance_test

import data.weir.lib.clearance
import data.weir.testing

about(said) := testing.changed({"intent": {"data": said}})

test_needed_as_said if {
	clearance.needed == "public" with input as about({"sensitivity": "public"}) with data.config as testing.config
}

test_needed_by_default if {
	call := about({"sensitivity": "unspecified"})
	clearance.needed == "confidential" with input as call with data.config as testing.config
}

test_covers_as_much_and_more if {
	call := about({"sensitivity": "confidential"})
	clearance.covers("confidential") with input as call with data.config as testing.config
	clearance.covers("restricted") with input as call with data.config as testing.config
}

test_covers_no_more_than_it_is_cleared_for if {
	call := about({"sensitivity": "confidential"})
	not clearance.covers("internal") with input as call with data.config as testing.config
	not clearance.covers("public") with input as call with data.config as testing.config
}

test_nothing_covers_a_word_that_is_no_sensitivity if {
	call := about({"sensitivity": "secret"})
	not clearance.covers("restricted") with input as call with data.config as testing.config
}

test_a_word_that_is_no_clearance_covers_nothing if {
	call := about({"sensitivity": "public"})
	not clearance.covers("top") with input as call with data.config as testing.config
}

test_resident_anywhere_where_nothing_is_asked if {
	clearance.resident([]) with input as about({"residency": ""}) with data.config as testing.config
}

test_resident_in_its_regions_only if {
	call := about({"residency": "eu"})
	clearance.resident(["us", "eu"]) with input as call with data.config as testing.config
	not clearance.resident(["us"]) with input as call with data.config as testing.config
	not clearance.resident([]) with input as call with data.config as testing.config
}

test_forgotten_within_the_days if {
	call := about({"sensitivity": "restricted"})
	clearance.forgotten("vault:large") with input as call with data.config as testing.config
	clearance.forgotten("acme:large") with input as call with data.config as testing.config
	not clearance.forgotten("acme:small") with input as call with data.config as testing.config
}

test_forgotten_where_no_days_are_set if {
	call := about({"sensitivity": "public"})
	clearance.forgotten("acme:small") with input as call with data.config as testing.config
}

test_undefined_input if {
	not clearance.needed with input as {} with data.config as testing.config
	not clearance.resident(["eu"]) with input as {} with data.config as testing.config
}
