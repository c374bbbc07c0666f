# METADATA
# title: Hours
# description: Calls of some kinds run at some hours only.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.rules.hours

import data.weir.lib.call
import data.weir.lib.finding

# METADATA
# title: Outside hours
# description: It is not the time for calls of this kind, by the tenant's own clock.
# custom:
#   code: hours.closed
#   severity: error
#   message: "hours {hours}: such calls run from {from} to {to} on {weekdays}, it is {weekday} {time}"
deny contains finding.of(rego.metadata.rule(), {
	"from": hours.from,
	"hours": hours.id,
	"time": input.facts.local_time,
	"to": hours.to,
	"weekday": input.facts.local_weekday,
	"weekdays": concat(", ", hours.weekdays),
}) if {
	some hours in data.config.hours
	call.matches(hours.match)
	not open(hours)
}

open(hours) if {
	hours.from < hours.to
	today(hours)
	input.facts.local_time >= hours.from
	input.facts.local_time < hours.to
}

# The evening of hours that pass midnight.
open(hours) if {
	hours.from > hours.to
	today(hours)
	input.facts.local_time >= hours.from
}

# The morning after: the day on which the hours began counts.
open(hours) if {
	hours.from > hours.to
	yesterday[input.facts.local_weekday] in hours.weekdays
	input.facts.local_time < hours.to
}

today(hours) if input.facts.local_weekday in hours.weekdays

yesterday := {
	"fri": "thu",
	"mon": "sun",
	"sat": "fri",
	"sun": "sat",
	"thu": "wed",
	"tue": "mon",
	"wed": "tue",
}
