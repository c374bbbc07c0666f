// Checks a proof of weir audit prove or weir audit consistency with the packages behind Go's checksum
// database, and nothing of Weir's. Usage: public-tools FILE KEY. Exits with 1 and a reason if it does not hold.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proofFile struct {
	Format     string
	Checkpoint string
	Old, New   string
	Path       []string
	Records    []struct {
		Number int64
		Record json.RawMessage
		Path   []string
	}
}

func main() {
	done, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(done)
}

func check(path, key string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return "", err
	}
	trusted := note.VerifierList(verifier)
	var file proofFile
	if err := json.Unmarshal(text, &file); err != nil {
		return "", err
	}
	if file.Format == "weir-audit-consistency/1" {
		return checkConsistency(file, trusted)
	}
	return checkInclusion(file, trusted)
}

func checkInclusion(file proofFile, trusted note.Verifiers) (string, error) {
	tree, err := openCheckpoint(file.Checkpoint, trusted)
	if err != nil {
		return "", err
	}
	for _, one := range file.Records {
		// The record's canonical JSON is the leaf; compact, it is what was written.
		var leaf bytes.Buffer
		if err := json.Compact(&leaf, one.Record); err != nil {
			return "", err
		}
		hash := tlog.RecordHash(leaf.Bytes())
		hashes, err := readPath(one.Path)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, one.Number-1, hash); err != nil {
			return "", fmt.Errorf("record %d: %v", one.Number, err)
		}
	}
	return fmt.Sprintf("%d records of %d", len(file.Records), tree.N), nil
}

func checkConsistency(file proofFile, trusted note.Verifiers) (string, error) {
	old, err := openCheckpoint(file.Old, trusted)
	if err != nil {
		return "", err
	}
	newer, err := openCheckpoint(file.New, trusted)
	if err != nil {
		return "", err
	}
	hashes, err := readPath(file.Path)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckTree(hashes, newer.N, newer.Hash, old.N, old.Hash); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d records go on to %d", old.N, newer.N), nil
}

func openCheckpoint(text string, trusted note.Verifiers) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), trusted)
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, fmt.Errorf("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func readPath(path []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(path))
	for _, text := range path {
		node, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(node) != tlog.HashSize {
			return nil, fmt.Errorf("%q is no hash", text)
		}
		hashes = append(hashes, tlog.Hash(*(*[tlog.HashSize]byte)(node)))
	}
	return hashes, nil
}
