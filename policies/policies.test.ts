import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import type { LoadedPolicy } from "@open-policy-agent/opa-wasm";
import { beforeAll, describe, expect, test } from "vitest";

import {
  buildCommand,
  CAPABILITIES,
  expectResult,
  inTemporaryFolder,
  type TestOutcome,
} from "../adapters/opa/compile.ts";
import { runCompiler } from "../adapters/opa/compiler.ts";
import type { Verdict } from "../engine/policy/verdict.ts";
import { makeCorpus } from "./corpus.ts";

const { loadPolicySync } = createRequire(import.meta.url)("@open-policy-agent/opa-wasm") as {
  loadPolicySync: (wasm: Uint8Array, memory: WebAssembly.Memory) => LoadedPolicy;
};

const ROOT = join(import.meta.dirname, "..");
const corpus = makeCorpus(7, 500, 250);

let outcomes: readonly TestOutcome[];
let entrypoints: readonly string[];
let tests: LoadedPolicy;
let policy: LoadedPolicy;
/** OPA's own verdict on each case of the corpus. */
let expected: readonly unknown[];

/** One run of the compiler does all: a process costs seconds. */
beforeAll(async () => {
  await inTemporaryFolder(async (out) => {
    writeFileSync(join(out, "inputs.json"), JSON.stringify(corpus.map(({ input }) => input)));
    const answers = await runCompiler({ "/": ROOT, "/out": out }, [
      buildCommand("/out"),
      ["eval", "policies", "data.weir.decision", "/out/inputs.json", "/out/results.json"],
      ["test", "policies"],
      ["build-tests", "policies", "/out", CAPABILITIES],
    ]);
    for (const answer of answers) expectResult(answer);
    outcomes = (answers[2]?.result as { tests: readonly TestOutcome[] }).tests;
    entrypoints = (answers[3]?.result as { entrypoints: readonly string[] }).entrypoints;
    policy = load(out, "policy.wasm", "data.json");
    tests = load(out, "tests.wasm", "tests.json");
    expected = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as readonly unknown[];
  });
});

function load(folder: string, wasm: string, data: string): LoadedPolicy {
  const memory = new WebAssembly.Memory({ initial: 20 });
  const loaded = loadPolicySync(readFileSync(join(folder, wasm)), memory);
  loaded.setData(JSON.parse(readFileSync(join(folder, data), "utf8")) as object);
  return loaded;
}

test("every test rule gives in WASM what it gives in OPA", () => {
  const inOpa = outcomes.map((outcome) => ({
    name: `${outcome.package}.${outcome.name}`,
    pass: outcome.pass,
  }));
  const inWasm = entrypoints.map((entrypoint) => {
    const results = tests.evaluate({}, entrypoint) as readonly { readonly result: unknown }[];
    return { name: entrypoint.replaceAll("/", "."), pass: results[0]?.result === true };
  });
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  expect(inWasm.sort(byName)).toEqual(inOpa.sort(byName));
});

describe("the decision in WASM, on a corpus of whole and broken inputs", () => {
  const judge = (i: number): Verdict => {
    const input = corpus[i]?.input as object;
    return (policy.evaluate(input) as readonly { readonly result: Verdict }[])[0]
      ?.result as Verdict;
  };

  test("is OPA's own", () => {
    expect(corpus.length).toBeGreaterThan(500);
    for (const i of corpus.keys())
      expect(judge(i), JSON.stringify(corpus[i]?.input)).toEqual(expected[i]);
  });

  test("blocks whatever lacks a fact", () => {
    const passed = [...corpus.keys()].filter(
      (i) => corpus[i]?.broken && judge(i).effect !== "block",
    );
    expect(passed.map((i) => corpus[i]?.input)).toEqual([]);
  });

  test("meets every effect, rule and a route", () => {
    const verdicts = [...corpus.keys()].map(judge);
    expect(new Set(verdicts.map(({ effect }) => effect))).toEqual(
      new Set(["allow", "throttle", "block"]),
    );
    expect(verdicts.some(({ routes }) => routes.length > 0)).toBe(true);
    const seen = new Set(verdicts.flatMap(({ reasons }) => reasons.map(({ code }) => code)));
    const manifest = readFileSync(join(ROOT, "bundles/starter/.manifest"), "utf8");
    const { rules } = (
      JSON.parse(manifest) as { metadata: { weir: { rules: Record<string, unknown> } } }
    ).metadata.weir;
    expect(Object.keys(rules).filter((code) => !seen.has(code) && code !== "shape.config")).toEqual(
      [],
    );
  });
});
