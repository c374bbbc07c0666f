package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/loader"
)

type description struct {
	Package     string         `json:"package"`
	Rule        string         `json:"rule"`
	File        string         `json:"file"`
	Row         int            `json:"row"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Custom      map[string]any `json:"custom"`
	// Names of the finding's parameters, or null where the head does not spell them out.
	Params []string `json:"params"`
}

// build writes OUTDIR/policy.wasm and OUTDIR/data.json and describes every rule that makes a set.
func build(ctx context.Context, args []string) (any, error) {
	root, out := args[0], args[1]
	b, err := toWasm(ctx, root, args[2], skipTests, args[3:])
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(out, "policy.wasm"), b.WasmModules[0].Raw, 0o644); err != nil {
		return nil, err
	}
	if err := writeJSON(out, "data.json", b.Data); err != nil {
		return nil, err
	}
	sources, err := load(root, skipTests)
	if err != nil {
		return nil, err
	}
	return map[string]any{"rules": describe(sources)}, nil
}

// buildTests writes OUTDIR/tests.wasm and OUTDIR/tests.json (the data), with every test rule an entrypoint.
func buildTests(ctx context.Context, args []string) (any, error) {
	root, out := args[0], args[1]
	sources, err := load(root, skipNothing)
	if err != nil {
		return nil, err
	}
	names := tests(sources)
	if len(names) == 0 {
		return nil, errors.New("no test rules under " + root)
	}
	b, err := toWasm(ctx, root, args[2], skipNothing, names)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(out, "tests.wasm"), b.WasmModules[0].Raw, 0o644); err != nil {
		return nil, err
	}
	return map[string]any{"entrypoints": names}, writeJSON(out, "tests.json", b.Data)
}

func toWasm(ctx context.Context, root, capabilities string, skip loader.Filter, entrypoints []string) (*bundle.Bundle, error) {
	allowed, err := ast.LoadCapabilitiesFile(capabilities)
	if err != nil {
		return nil, err
	}
	var discarded bytes.Buffer
	c := compile.New().
		WithTarget(compile.TargetWasm).
		WithAsBundle(true).
		WithCapabilities(allowed).
		WithEntrypoints(entrypoints...).
		WithPaths(root).
		WithFilter(skip).
		WithOutput(&discarded)
	if err := c.Build(ctx); err != nil {
		return nil, err
	}
	return c.Bundle(), nil
}

func tests(b *bundle.Bundle) []string {
	var names []string
	for _, file := range b.Modules {
		for _, rule := range file.Parsed.Rules {
			if name := head(rule); strings.HasPrefix(name, "test_") {
				names = append(names, strings.Join(append(path(file.Parsed.Package), name), "/"))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func describe(b *bundle.Bundle) []description {
	all := []description{}
	for _, file := range b.Modules {
		for _, rule := range file.Parsed.Rules {
			if rule.Head.DocKind() != ast.PartialSetDoc {
				continue
			}
			d := description{
				Package: strings.Join(path(file.Parsed.Package), "."),
				Rule:    head(rule),
				File:    file.Path,
				Row:     rule.Location.Row,
				Params:  params(rule.Head.Key),
			}
			for _, a := range rule.Annotations {
				d.Title, d.Description, d.Custom = a.Title, a.Description, a.Custom
			}
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b description) int {
		if n := strings.Compare(a.File, b.File); n != 0 {
			return n
		}
		return a.Row - b.Row
	})
	return all
}

func head(rule *ast.Rule) string {
	return strings.Trim(rule.Head.Ref()[0].Value.String(), `"`)
}

func path(p *ast.Package) []string {
	var words []string
	for _, term := range p.Path[1:] {
		words = append(words, strings.Trim(term.Value.String(), `"`))
	}
	return words
}

// params reads the keys of the object literal that is the second argument of a head's call.
func params(key *ast.Term) []string {
	call, ok := key.Value.(ast.Call)
	if !ok || len(call) != 3 {
		return nil
	}
	object, ok := call[2].Value.(ast.Object)
	if !ok {
		return nil
	}
	names := []string{}
	for _, k := range object.Keys() {
		s, ok := k.Value.(ast.String)
		if !ok {
			return nil
		}
		names = append(names, string(s))
	}
	slices.Sort(names)
	return names
}
