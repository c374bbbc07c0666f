package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
)

// eval asks QUERY once per input of the array in INPUTS and writes the answers; undefined is null, and
// so is an input that the query fails on, which is told by its number. The query may refer to what the
// tests define.
func eval(ctx context.Context, args []string) (any, error) {
	text, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	var inputs []any
	if err := util.UnmarshalJSON(text, &inputs); err != nil {
		return nil, err
	}
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	query, err := rego.New(rego.Query(args[1]), rego.ParsedBundle("policies", b)).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	answers, faults := make([]any, len(inputs)), map[int]string{}
	for i, input := range inputs {
		rs, err := query.Eval(ctx, rego.EvalInput(input))
		if err != nil {
			faults[i] = err.Error()
		}
		if len(rs) > 0 {
			answers[i] = rs[0].Expressions[0].Value
		}
	}
	line, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	return map[string]any{"inputs": len(inputs), "faults": faults}, os.WriteFile(filepath.Clean(args[3]), line, 0o644)
}
