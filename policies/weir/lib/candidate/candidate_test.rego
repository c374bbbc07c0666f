package weir.lib.candidate_test

import data.weir.lib.candidate
import data.weir.testing

test_must_be_cleared if {
	weak := object.union(testing.call.candidates[1], {"clearance": "internal"})
	call := testing.changed({"intent": {"data": {"sensitivity": "confidential"}}})
	candidate.suitable(testing.call.candidates[1]) with input as call with data.config as testing.config
	not candidate.suitable(weak) with input as call with data.config as testing.config
}
