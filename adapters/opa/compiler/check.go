package main

import (
	"bytes"
	"context"
	"os"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	rego "github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/loader"
)

// check compiles strictly, against JSON schemas and with the listed built-in functions only.
func check(_ context.Context, args []string) (any, error) {
	schemas, err := loader.Schemas(args[1])
	if err != nil {
		return nil, err
	}
	allowed, err := ast.LoadCapabilitiesFile(args[2])
	if err != nil {
		return nil, err
	}
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	c := ast.NewCompiler().
		WithCapabilities(allowed).
		WithSchemas(schemas).
		WithEnablePrintStatements(true).
		WithStrict(true).
		WithUseTypeCheckAnnotations(true)
	if c.Compile(b.ParsedModules("")); c.Failed() {
		return nil, c.Errors
	}
	return map[string]any{"modules": len(b.Modules)}, nil
}

// format tells where files first leave OPA's format, and puts them into it when told to write.
func format(_ context.Context, args []string) (any, error) {
	write := slices.Contains(args[1:], "--write")
	b, err := load(args[0], skipNothing)
	if err != nil {
		return nil, err
	}
	places := []place{}
	for _, file := range b.Modules {
		text, err := rego.SourceWithOpts(file.Path, file.Raw, rego.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, err
		}
		if bytes.Equal(text, file.Raw) {
			continue
		}
		places = append(places, place{File: file.Path, Row: firstDifference(text, file.Raw)})
		if write {
			if err := os.WriteFile(file.Path, text, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"places": sorted(places)}, nil
}

// firstDifference is the line, from 1, in which two texts first differ.
func firstDifference(a, b []byte) int {
	row := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			row++
		}
	}
	return row
}
