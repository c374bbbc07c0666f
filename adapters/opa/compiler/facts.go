package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

type place struct {
	File string `json:"file"`
	Row  int    `json:"row"`
	// The function called or mocked.
	Name string `json:"name"`
}

type ruleHead struct {
	Package string `json:"package"`
	Rule    string `json:"rule"`
	// "set", "object", "function" or "value".
	Shape string `json:"shape"`
	File  string `json:"file"`
	Row   int    `json:"row"`
	// Of the METADATA; "" for none.
	Code string `json:"code"`
}

// facts tells what a reader of the sources would look up: rules that make sets, heads of all, calls of
// built-in functions, and functions mocked before the document they are mocked together with.
func facts(_ context.Context, args []string) (any, error) {
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	calls, mocks, heads := []place{}, []place{}, []ruleHead{}
	functions := functionsOf(b)
	for _, file := range b.Modules {
		m := file.Parsed
		if !isTest(file.Path) {
			heads = append(heads, headsOf(file)...)
		}
		ast.WalkExprs(m, func(e *ast.Expr) bool {
			if name, ok := called(e); ok {
				calls = append(calls, place{file.Path, e.Location.Row, name})
			}
			if name, ok := lateDocument(m, e, functions); ok {
				mocks = append(mocks, place{file.Path, e.With[0].Location.Row, name})
			}
			return false
		})
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if call, ok := t.Value.(ast.Call); ok {
				if name := call[0].String(); ast.BuiltinMap[name] != nil {
					calls = append(calls, place{file.Path, t.Location.Row, name})
				}
			}
			return false
		})
	}
	sources := &bundle.Bundle{Modules: slices.DeleteFunc(slices.Clone(b.Modules), func(f bundle.ModuleFile) bool {
		return isTest(f.Path)
	})}
	return map[string]any{
		"rules": describe(sources),
		"heads": heads,
		"calls": sorted(calls),
		"mocks": sorted(mocks),
	}, nil
}

func headsOf(file bundle.ModuleFile) []ruleHead {
	all := []ruleHead{}
	for _, rule := range file.Parsed.Rules {
		h := ruleHead{
			Package: strings.Join(path(file.Parsed.Package), "."),
			Rule:    head(rule),
			Shape:   "value",
			File:    file.Path,
			Row:     rule.Location.Row,
		}
		switch {
		case len(rule.Head.Args) > 0:
			h.Shape = "function"
		case rule.Head.DocKind() == ast.PartialSetDoc:
			h.Shape = "set"
		case rule.Head.DocKind() == ast.PartialObjectDoc:
			h.Shape = "object"
		}
		for _, a := range rule.Annotations {
			h.Code, _ = a.Custom["code"].(string)
		}
		all = append(all, h)
	}
	return all
}

func sorted(places []place) []place {
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Row-b.Row, strings.Compare(a.Name, b.Name))
	})
	return slices.Compact(places)
}

// called names the built-in function that is a whole expression; infix operators are none.
func called(e *ast.Expr) (string, bool) {
	if !e.IsCall() || e.Operator() == nil {
		return "", false
	}
	name := e.Operator().String()
	known := ast.BuiltinMap[name]
	return name, known != nil && known.Infix == ""
}

func functionsOf(b *bundle.Bundle) map[string]bool {
	names := map[string]bool{}
	for _, file := range b.Modules {
		for _, rule := range file.Parsed.Rules {
			if len(rule.Head.Args) > 0 {
				names[file.Parsed.Package.Path.String()+"."+head(rule)] = true
			}
		}
	}
	return names
}

// lateDocument finds an expression that mocks a function before input or data: OPA's planner loses it.
func lateDocument(m *ast.Module, e *ast.Expr, functions map[string]bool) (string, bool) {
	mocked := ""
	for _, w := range e.With {
		name := resolved(m, w.Target)
		isDocument := name == "input" || strings.HasPrefix(name, "input.") ||
			strings.HasPrefix(name, "input[") || strings.HasPrefix(name, "data.") && !functions[name]
		switch {
		case !isDocument:
			mocked = w.Target.String()
		case mocked != "":
			return mocked, true
		}
	}
	return "", false
}

// resolved spells a target as the compiler would: imports and rules of the same package in full.
func resolved(m *ast.Module, target *ast.Term) string {
	name := target.String()
	first, rest, _ := strings.Cut(name, ".")
	for _, i := range m.Imports {
		if string(i.Name()) == first {
			if rest == "" {
				return i.Path.String()
			}
			return i.Path.String() + "." + rest
		}
	}
	for _, rule := range m.Rules {
		if head(rule) == first {
			return m.Package.Path.String() + "." + name
		}
	}
	return name
}
