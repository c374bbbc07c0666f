import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { changedFiles } from "../../../test/support/bundle.ts";
import { SHIPPED_BUNDLE } from "../../../test/support/engine.ts";
import { writeBundle } from "../../opa/compile.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";
import { valueChanges } from "./diff/changes.ts";

// Goal: what two bundles do not have in common, down to what they decide, is told as diff tells it.

const folder = mkdtempSync(join(tmpdir(), "weir-diff-"));

beforeAll(() => {
  mkdirSync(join(folder, "cases"));
  for (const name of ["allow-plain.json", "routing-overkill.json"])
    cpSync(join(import.meta.dirname, "../../../test/cases", name), join(folder, "cases", name));
});

afterAll(() => rmSync(folder, { force: true, recursive: true }));

async function diff(...argv: string[]): Promise<{ exit: number; said: string }> {
  const terminal = fakeTerminal(folder);
  const exit = await runWeir(["policy", "diff", ...argv], terminal);
  return { exit, said: terminal.printed.join("\n") };
}

test("a bundle is like itself", async () => {
  expect(await diff(SHIPPED_BUNDLE, SHIPPED_BUNDLE)).toEqual({
    exit: 0,
    said: "the bundles are alike",
  });
});

test("data, and decisions over cases", async () => {
  const files = changedFiles(({ limits, modes }) => {
    limits!["run_steps"] = 7;
    modes!["rules"] = { "routing.overkill": "off" };
  });
  writeBundle(join(folder, "new"), files);
  const { exit, said } = await diff(SHIPPED_BUNDLE, "new");
  expect(exit).toBe(1);
  expect(said).toContain("  data.config.limits.run_steps\n    - 50\n    + 7\n");
  expect(said).toContain('  data.config.modes.rules["routing.overkill"]\n    + "off"\n');
  expect(said).toMatch(
    /routing-overkill\.json {2}A small task .*\n {2}- reroute to \S+: routing\.overkill\n {2}\+ allow\n/,
  );
  expect(said).not.toContain("allow-plain.json");
  expect(said).toContain("0 differences of rules, 2 of data, 1 of 2 cases decided otherwise");
});

test("rules that are described otherwise, that are new and that are gone", async () => {
  const files = changedFiles(() => undefined);
  const manifest = JSON.parse(files.manifest) as {
    metadata: { weir: { rules: Record<string, { severity: string }> } };
  };
  const { rules } = manifest.metadata.weir;
  rules["org.new"] = { ...rules["agent.depth"]! };
  rules["agent.depth"]!.severity = "info";
  delete rules["prompt.output_cap"];
  writeBundle(join(folder, "described"), { ...files, manifest: JSON.stringify(manifest) });
  const { exit, said } = await diff(SHIPPED_BUNDLE, "described", "--json");
  expect(exit).toBe(1);
  const { data, rules: changes } = JSON.parse(said) as {
    data: unknown[];
    rules: { at: string }[];
  };
  expect(data).toEqual([]);
  expect(changes.map(({ at }) => at)).toEqual([
    "agent.depth.severity",
    "org.new",
    "prompt.output_cap",
  ]);
});

test("items of a list are told apart by their ids", () => {
  const before = {
    budgets: [
      { id: "a", limit: 1 },
      { id: "b", limit: 2 },
    ],
    words: ["x", "y"],
  };
  const after = {
    budgets: [
      { id: "b", limit: 3 },
      { id: "c", limit: 4 },
    ],
    words: ["y", "x"],
  };
  expect(valueChanges(before, after, "data")).toEqual([
    { at: 'data.budgets["a"]', before: { id: "a", limit: 1 } },
    { after: 3, at: 'data.budgets["b"].limit', before: 2 },
    { after: { id: "c", limit: 4 }, at: 'data.budgets["c"]' },
    { after: ["y", "x"], at: "data.words", before: ["x", "y"] },
  ]);
});
