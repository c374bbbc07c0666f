package main

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
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
	// The expression it failed at, with the values of its variables.
	FailedAt string `json:"failed_at"`
	// Cases of a test that is a table, by name; absent for any other.
	Cases map[string]bool `json:"cases,omitempty"`
}

type fileCoverage struct {
	File string `json:"file"`
	// Lines that some test reached, and lines that none did.
	Covered    int   `json:"covered"`
	NotCovered int   `json:"not_covered"`
	Missed     []int `json:"missed"`
}

type ruleCoverage struct {
	Package string `json:"package"`
	Rule    string `json:"rule"`
	File    string `json:"file"`
	Row     int    `json:"row"`
	Code    string `json:"code"`
	// Whether some test saw it hold.
	Held bool `json:"held"`
}

// test runs OPA's tester over every test rule whose full name matches the expression, and says what
// the tests reached. What failed is run once more for the values it failed with.
func test(ctx context.Context, args []string) (any, error) {
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	filter := ""
	if len(args) > 1 {
		filter = args[1]
	}
	coverage := cover.New()
	all, err := run(ctx, b, filter, coverage)
	if err != nil {
		return nil, err
	}
	if names := failed(all); len(names) > 0 {
		traced, err := run(ctx, b, "^("+strings.Join(names, "|")+")$", nil)
		if err != nil {
			return nil, err
		}
		for i := range all {
			for _, t := range traced {
				if t.Package == all[i].Package && t.Name == all[i].Name {
					all[i].FailedAt = t.FailedAt
				}
			}
		}
	}
	report := coverage.Report(b.ParsedModules(""))
	return map[string]any{"tests": all, "files": files(b, report), "rules": rules(b, report)}, nil
}

func run(ctx context.Context, b *bundle.Bundle, filter string, coverage *cover.Cover) ([]outcome, error) {
	store := inmem.NewFromObject(b.Data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	runner := tester.NewRunner().
		SetStore(store).
		SetModules(b.ParsedModules("")).
		SetParallel(1).
		CapturePrintOutput(true).
		Filter(filter)
	if coverage == nil {
		runner.EnableTracing(true)
	} else {
		runner.SetCoverageQueryTracer(coverage).SetCoverageRuns([]cover.Kind{})
	}
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	all := []outcome{}
	for r := range results {
		all = append(all, outcomeOf(r))
	}
	slices.SortFunc(all, func(a, b outcome) int {
		return strings.Compare(a.Package+"\x00"+a.Name, b.Package+"\x00"+b.Name)
	})
	return all, nil
}

func outcomeOf(r *tester.Result) outcome {
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
	if len(r.SubResults) > 0 {
		o.Cases = map[string]bool{}
		for name, sub := range r.SubResults {
			o.Cases[name] = !sub.Fail
		}
	}
	if !o.Pass {
		o.FailedAt = failure(r.Trace)
	}
	return o
}

// failure shows the last expression that failed, its variables under it.
func failure(trace []*topdown.Event) string {
	for _, e := range slices.Backward(trace) {
		if e.Op != topdown.FailOp || e.Location == nil || e.QueryID == 0 {
			continue
		}
		expr, ok := e.Node.(*ast.Expr)
		if !ok {
			continue
		}
		if _, every := expr.Terms.(*ast.Every); every {
			continue
		}
		var text bytes.Buffer
		if err := topdown.PrettyEvent(&text, e, topdown.PrettyEventOpts{PrettyVars: true}); err != nil {
			return ""
		}
		return text.String()
	}
	return ""
}

func failed(all []outcome) []string {
	var names []string
	for _, o := range all {
		if !o.Pass && o.Error == "" {
			names = append(names, regexp.QuoteMeta("data."+o.Package+"."+o.Name))
		}
	}
	return names
}

func files(b *bundle.Bundle, report cover.Report) []fileCoverage {
	all := []fileCoverage{}
	for _, file := range b.Modules {
		if isTest(file.Path) || report.Files[file.Path] == nil {
			continue
		}
		of := report.Files[file.Path]
		c := fileCoverage{file.Path, of.CoveredLines, of.NotCoveredLines, []int{}}
		for _, r := range of.NotCovered {
			c.Missed = append(c.Missed, r.Start.Row)
		}
		slices.Sort(c.Missed)
		c.Missed = slices.Compact(c.Missed)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b fileCoverage) int { return strings.Compare(a.File, b.File) })
	return all
}

func rules(b *bundle.Bundle, report cover.Report) []ruleCoverage {
	sources := &bundle.Bundle{}
	for _, file := range b.Modules {
		if !isTest(file.Path) {
			sources.Modules = append(sources.Modules, file)
		}
	}
	all := []ruleCoverage{}
	for _, d := range describe(sources) {
		code, _ := d.Custom["code"].(string)
		held := report.IsCovered(d.File, d.Row)
		all = append(all, ruleCoverage{d.Package, d.Rule, d.File, d.Row, code, held})
	}
	return all
}
