package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/util"
)

type outcome struct {
	Package string `json:"package"`
	Name    string `json:"name"`
	File    string `json:"file"`
	Row     int    `json:"row"`
	Pass    bool   `json:"pass"`
	Error   string `json:"error"`
	// What the test printed.
	Output string `json:"output"`
}

// test runs OPA's tester over every test rule whose full name matches the expression.
func test(ctx context.Context, args []string) (any, error) {
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	store := inmem.NewFromObject(b.Data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	runner := tester.NewRunner().
		SetStore(store).
		SetModules(b.ParsedModules("")).
		SetParallel(1).
		CapturePrintOutput(true)
	if len(args) > 1 {
		runner.Filter(args[1])
	}
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	all := []outcome{}
	for r := range results {
		o := outcome{
			Package: strings.TrimPrefix(r.Package, "data."),
			Name:    r.Name,
			Pass:    r.Pass(),
			Output:  string(r.Output),
		}
		if r.Location != nil {
			o.File, o.Row = r.Location.File, r.Location.Row
		}
		if r.Error != nil {
			o.Error = r.Error.Error()
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b outcome) int {
		return strings.Compare(a.Package+"\x00"+a.Name, b.Package+"\x00"+b.Name)
	})
	return map[string]any{"tests": all}, nil
}

// eval asks QUERY once per input of the array in INPUTS and writes the answers; undefined is null.
// The query may refer to what the tests define.
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
	answers := make([]any, len(inputs))
	for i, input := range inputs {
		rs, err := query.Eval(ctx, rego.EvalInput(input))
		if err != nil {
			return nil, err
		}
		if len(rs) > 0 {
			answers[i] = rs[0].Expressions[0].Value
		}
	}
	line, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	return map[string]any{"inputs": len(inputs)}, os.WriteFile(filepath.Clean(args[3]), line, 0o644)
}
