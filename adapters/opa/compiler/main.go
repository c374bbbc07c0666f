// Opac is OPA's compiler, tester, formatter and checker as one WASI module. Its arguments are
// commands separated by "--"; each prints one line of JSON. Paths are taken as given: they are part
// of what a compiled policy's digest depends on, so callers run it from one root with relative paths.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/version"
)

type command struct {
	usage string
	least int
	run   func(ctx context.Context, args []string) (any, error)
}

var commands = map[string]command{
	"build":       {"build ROOT OUTDIR CAPABILITIES ENTRYPOINT...", 4, build},
	"build-tests": {"build-tests ROOT OUTDIR CAPABILITIES", 3, buildTests},
	"check":       {"check ROOT SCHEMAS CAPABILITIES", 3, check},
	"eval":        {"eval ROOT QUERY INPUTS RESULTS", 4, eval},
	"explain":     {"explain ROOT QUERY INPUTS", 3, explain},
	"facts":       {"facts ROOT", 1, facts},
	"fmt":         {"fmt ROOT [--write]", 1, format},
	"test":        {"test ROOT [NAME-REGEX]", 1, test},
	"version":     {"version", 0, func(context.Context, []string) (any, error) { return version.Version, nil }},
}

type answer struct {
	Command string   `json:"command"`
	Errors  []string `json:"errors"`
	Result  any      `json:"result"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, words := range split(os.Args[1:]) {
		a := answer{Command: words[0], Errors: []string{}}
		result, err := dispatch(words)
		if err != nil {
			a.Errors = lines(err)
		} else {
			a.Result = result
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func dispatch(words []string) (any, error) {
	c, ok := commands[words[0]]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", words[0])
	}
	if len(words)-1 < c.least {
		return nil, fmt.Errorf("usage: %s", c.usage)
	}
	return c.run(context.Background(), words[1:])
}

func split(args []string) [][]string {
	var all [][]string
	for len(args) > 0 {
		n := slices.Index(args, "--")
		if n < 0 {
			n = len(args)
		}
		if n > 0 {
			all = append(all, args[:n])
		}
		args = args[min(n+1, len(args)):]
	}
	return all
}

// lines gives one text per fault, so that a compile with five faults shows five.
func lines(err error) []string {
	var many ast.Errors
	if errors.As(err, &many) {
		texts := make([]string, 0, len(many))
		for _, e := range many {
			texts = append(texts, e.Error())
		}
		return texts
	}
	var loading loader.Errors
	if errors.As(err, &loading) {
		texts := make([]string, 0, len(loading))
		for _, e := range loading {
			texts = append(texts, lines(e)...)
		}
		return texts
	}
	return []string{err.Error()}
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.rego") }

func skipTests(path string, info os.FileInfo, _ int) bool {
	return !info.IsDir() && isTest(info.Name())
}

func skipNothing(string, os.FileInfo, int) bool { return false }

func load(root string, skip loader.Filter) (*bundle.Bundle, error) {
	return loader.NewFileLoader().
		WithProcessAnnotation(true).
		WithSkipBundleVerification(true).
		WithFilter(skip).
		AsBundle(root)
}

// writeJSON writes v with sorted keys, one space of indentation and a final newline.
func writeJSON(dir, name string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644)
}
