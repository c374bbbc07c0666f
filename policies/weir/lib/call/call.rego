# METADATA
# title: Calls
# description: Which calls an entry of the configuration is about.
# schemas:
#   - input: schema.input
package weir.lib.call

# METADATA
# title: Matches
# description: Every field named has the value named; an entry that names none is about every call.
matches(match) if {
	every field, value in match { value == values[field] }
}

values := object.union(input.intent.attribution, {
	"model": input.intent.model,
	"operation": input.intent.operation,
	"principal": input.intent.principal,
	"task": input.intent.task,
	"tenant": input.intent.tenant,
})
