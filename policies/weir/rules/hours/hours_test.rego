package weir.rules.hours_test

import data.weir.rules.hours
import data.weir.testing

# The fixture's hours: calls from environment "batch" run from 22:00 to 06:00, begun on Monday or Tuesday.
batch(weekday, time) := testing.changed({
	"facts": {"local_time": time, "local_weekday": weekday},
	"intent": {"attribution": {"environment": "batch"}},
})

by_day := testing.configured({"hours": [{
	"from": "08:00",
	"id": "office",
	"match": {},
	"to": "24:00",
	"weekdays": ["wed"],
}]})

at(weekday, time) := testing.changed({"facts": {"local_time": time, "local_weekday": weekday}})

test_quiet if {
	hours.deny == set() with input as testing.call with data.config as testing.config
}

test_undefined_input if {
	hours.deny == set() with input as {} with data.config as testing.config
}

test_no_hours if {
	hours.deny == set() with input as batch("sun", "12:00") with data.config as testing.configured({"hours": []})
}

test_closed if {
	expected := {{
		"code": "hours.closed",
		"cure": "none",
		"params": {
			"from": "22:00",
			"hours": "nights",
			"time": "12:00",
			"to": "06:00",
			"weekday": "mon",
			"weekdays": "mon, tue",
		},
		"rule": "Outside hours",
		"severity": "error",
	}}
	hours.deny == expected with input as batch("mon", "12:00") with data.config as testing.config
}

test_evening_of_a_night if {
	every time in ["22:00", "23:59"] {
		hours.deny == set() with input as batch("mon", time) with data.config as testing.config
	}
	count(hours.deny) == 1 with input as batch("mon", "21:59") with data.config as testing.config
	count(hours.deny) == 1 with input as batch("wed", "22:00") with data.config as testing.config
}

test_morning_of_a_night if {
	every time in ["00:00", "05:59"] {
		hours.deny == set() with input as batch("wed", time) with data.config as testing.config
	}
	count(hours.deny) == 1 with input as batch("wed", "06:00") with data.config as testing.config
}

test_no_morning_before_the_first_night if {
	count(hours.deny) == 1 with input as batch("mon", "05:00") with data.config as testing.config
}

test_every_morning_follows_its_evening if {
	mornings := {"fri": "sat", "mon": "tue", "sat": "sun", "sun": "mon", "thu": "fri", "tue": "wed", "wed": "thu"}
	every evening, morning in mornings {
		night := {"from": "22:00", "id": "n", "match": {}, "to": "06:00", "weekdays": [evening]}
		hours.deny == set() with input as at(morning, "01:00")
			with data.config as testing.configured({"hours": [night]})
		count(hours.deny) == 1 with input as at(evening, "01:00")
			with data.config as testing.configured({"hours": [night]})
	}
}

test_day if {
	every time in ["08:00", "23:59"] {
		hours.deny == set() with input as at("wed", time) with data.config as by_day
	}
	count(hours.deny) == 1 with input as at("wed", "07:59") with data.config as by_day
	count(hours.deny) == 1 with input as at("thu", "12:00") with data.config as by_day
}

test_day_ends_before_its_end if {
	short := testing.configured({"hours": [object.union(by_day.hours[0], {"to": "17:00"})]})
	hours.deny == set() with input as at("wed", "16:59") with data.config as short
	count(hours.deny) == 1 with input as at("wed", "17:00") with data.config as short
}

test_all_hours_must_be_open if {
	both := testing.configured({"hours": [
		by_day.hours[0],
		object.union(by_day.hours[0], {"from": "12:00", "id": "afternoon"}),
	]})
	hours.deny == set() with input as at("wed", "12:00") with data.config as both
	count(hours.deny) == 1 with input as at("wed", "11:59") with data.config as both
	count(hours.deny) == 2 with input as at("wed", "07:00") with data.config as both
}
