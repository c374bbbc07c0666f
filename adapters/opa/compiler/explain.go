package main

import (
	"context"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// explained is what became of one rule that makes findings.
type explained struct {
	File string `json:"file"`
	Row  int    `json:"row"`
	Held bool   `json:"held"`
	// Its expressions; of a rule that did not hold the one it came to and no further.
	Why []reached `json:"why"`
}

// reached is an expression and, by their text, the values of what stands in it.
type reached struct {
	Row    int               `json:"row"`
	Text   string            `json:"text"`
	Values map[string]string `json:"values"`
}

// explain asks QUERY for each input of the array in INPUTS and tells of every rule in a package of
// rules whether it held, and on which values. The index is left out: it would pass over most rules.
func explain(ctx context.Context, args []string) (any, error) {
	text, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	var inputs []any
	if err := util.UnmarshalJSON(text, &inputs); err != nil {
		return nil, err
	}
	b, err := load(args[0], skipTests)
	if err != nil {
		return nil, err
	}
	query, err := rego.New(rego.Query(args[1]), rego.ParsedBundle("policies", b)).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	all := make([][]explained, len(inputs))
	for i, input := range inputs {
		w := &watcher{rules: map[uint64]*watched{}}
		_, err := query.Eval(ctx, rego.EvalInput(input), rego.EvalQueryTracer(w),
			rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false))
		if err != nil {
			return nil, err
		}
		all[i] = w.told()
	}
	return all, nil
}

type watched struct {
	rule *ast.Rule
	held *topdown.Event
	// The event at the expression that is furthest in the body.
	stopped *topdown.Event
}

// watcher follows the rules that make findings through an evaluation, by the query each is.
type watcher struct {
	rules map[uint64]*watched
	order []uint64
}

func (*watcher) Enabled() bool { return true }

func (*watcher) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

func (w *watcher) TraceEvent(e topdown.Event) {
	if rule, ok := e.Node.(*ast.Rule); ok {
		if !makesFindings(rule) {
			return
		}
		known := w.rules[e.QueryID]
		if known == nil {
			known = &watched{rule: rule}
			w.rules[e.QueryID] = known
			w.order = append(w.order, e.QueryID)
		}
		if e.Op == topdown.ExitOp && known.held == nil {
			known.held = &e
		}
		return
	}
	known := w.rules[e.QueryID]
	expr, ok := e.Node.(*ast.Expr)
	if known == nil || !ok || e.Op != topdown.FailOp {
		return
	}
	if known.stopped == nil || expr.Index >= known.stopped.Node.(*ast.Expr).Index {
		known.stopped = &e
	}
}

func makesFindings(rule *ast.Rule) bool {
	name := rule.Module.Package.Path.String()
	return rule.Head.DocKind() == ast.PartialSetDoc &&
		(strings.HasPrefix(name, "data.weir.rules.") || strings.HasPrefix(name, "data.org.rules."))
}

func (w *watcher) told() []explained {
	all := []explained{}
	for _, id := range w.order {
		one := w.rules[id]
		e := explained{one.rule.Location.File, one.rule.Location.Row, one.held != nil, []reached{}}
		if one.held != nil {
			e.Why = body(one.rule, *one.held)
		} else if one.stopped != nil {
			e.Why = []reached{reach(one.stopped)}
		}
		all = append(all, e)
	}
	return all
}

// body shows each expression that the author wrote, with the values it held with.
func body(rule *ast.Rule, exit topdown.Event) []reached {
	all := []reached{}
	for _, expr := range rule.Body {
		if expr.Generated || expr.Location == nil {
			continue
		}
		exit.Node, exit.Location = expr, expr.Location
		all = append(all, reach(&exit))
	}
	return all
}

func reach(e *topdown.Event) reached {
	r := reached{Row: e.Location.Row, Text: oneLine(e.Location.Text), Values: map[string]string{}}
	ast.WalkTerms(e.Node, func(term *ast.Term) bool {
		v, ok := term.Value.(ast.Var)
		if !ok || term.Location == nil {
			return false
		}
		value := e.Locals.Get(v)
		if _, known := e.LocalMetadata[v]; known && value != nil {
			if name := oneLine(term.Location.Text); name != "" && name != r.Text {
				r.Values[name] = value.String()
			}
		}
		return false
	})
	return r
}

func oneLine(text []byte) string { return strings.Join(strings.Fields(string(text)), " ") }
