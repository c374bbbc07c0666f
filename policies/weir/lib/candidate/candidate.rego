# METADATA
# title: Candidates
# description: Which of the host's candidates could take this call. The host judges the one it takes again.
# schemas:
#   - input: schema.input
#   - data.config: schema.config
package weir.lib.candidate

import data.weir.lib.clearance
import data.weir.lib.grant
import data.weir.lib.limit

# METADATA
# title: Suitable
# description: May hold the data and may be called by this team, here, for this.
suitable(c) if {
	clearance.covers(c.clearance)
	clearance.resident(c.regions)
	clearance.forgotten(c.model)
	not excluded(c.model)
	grant.team(c.model)
	grant.environment(c.model)
	grant.operation(c.model)
}

# METADATA
# title: Better
# description: Suitable, and within what one call and the exhausted budgets can pay.
better(c) if {
	suitable(c)
	c.cost_micro_usd <= limit.effective.single_call_micro_usd
	not unpayable(c)
}

excluded(model) if {
	some class in input.intent.data.classes
	class in data.config.models[model].excluded_classes
}

unpayable(c) if {
	some budget in input.context.budgets
	budget.mode == "hard"
	budget.fits == false
	budget.unit == "usd"
	c.cost_micro_usd > budget.remaining
}
