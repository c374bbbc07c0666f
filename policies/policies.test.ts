import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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
import { loadInWasm } from "./in-wasm.ts";

const ROOT = join(import.meta.dirname, "..");
/** The corpus is judged by the configuration that the Rego tests share, not by an organisation's. */
const CONFIG = "data.weir.testing.config";
const DECISION = `data.weir.decision with data.config as ${CONFIG}`;
const corpus = makeCorpus(7, 500, 250);

interface Outcome {
  readonly name: string;
  readonly pass: boolean;
}

let testsInOpa: readonly Outcome[];
let testsInWasm: readonly Outcome[];
let verdictsInOpa: readonly unknown[];
let verdictsInWasm: readonly Verdict[];

/** One run of the compiler does all: a process costs seconds. */
beforeAll(async () => {
  await inTemporaryFolder(async (out) => {
    const read = (name: string): unknown => JSON.parse(readFileSync(join(out, name), "utf8"));
    const wasm = (name: string): Uint8Array => readFileSync(join(out, name));
    writeFileSync(join(out, "nothing.json"), "[{}]");
    writeFileSync(join(out, "inputs.json"), JSON.stringify(corpus.map(({ input }) => input)));
    const [build, judged, configured, tested, built] = await runCompiler(
      { "/": ROOT, "/out": out },
      [
        buildCommand("/out"),
        ["eval", "policies", DECISION, "/out/inputs.json", "/out/results.json"],
        ["eval", "policies", CONFIG, "/out/nothing.json", "/out/config.json"],
        ["test", "policies"],
        ["build-tests", "policies", "/out", CAPABILITIES],
      ],
    );
    for (const answer of [build, judged, configured]) expectResult(answer);
    const { tests } = expectResult(tested) as { tests: readonly TestOutcome[] };
    const { entrypoints } = expectResult(built) as { entrypoints: readonly string[] };
    testsInOpa = tests
      .map(({ package: path, name, pass }) => ({ name: `${path}.${name}`, pass }))
      .toSorted(byName);
    const runTest = loadInWasm(wasm("tests.wasm"), read("tests.json") as object);
    testsInWasm = entrypoints
      .map((entrypoint) => ({
        name: entrypoint.replaceAll("/", "."),
        pass: runTest({}, entrypoint) === true,
      }))
      .toSorted(byName);
    verdictsInOpa = read("results.json") as readonly unknown[];
    const [config] = read("config.json") as readonly object[];
    const judge = loadInWasm(wasm("policy.wasm"), { config });
    verdictsInWasm = corpus.map(({ input }) => judge(input, "weir/decision") as Verdict);
  });
}, 300_000);

function byName(a: Outcome, b: Outcome): number {
  return a.name < b.name ? -1 : 1;
}

test("every test rule gives in WASM what it gives in OPA", () => {
  expect(testsInWasm).toEqual(testsInOpa);
  expect(testsInWasm.length).toBeGreaterThan(100);
});

describe("the decision in WASM, on a corpus of whole and broken inputs", () => {
  test("is OPA's own", () => {
    expect(corpus.length).toBeGreaterThan(500);
    for (const [i, { input }] of corpus.entries()) {
      expect(verdictsInWasm[i], JSON.stringify(input)).toStrictEqual(verdictsInOpa[i]);
    }
  });

  test("blocks whatever lacks a fact, and says so, and nothing else", () => {
    const refused = ({ effect, reasons }: Verdict): boolean =>
      effect === "block" && reasons.some(({ code }) => code.startsWith("shape."));
    const wrong = corpus.filter(
      ({ broken }, i) => refused(verdictsInWasm[i] as Verdict) !== broken,
    );
    expect(wrong).toEqual([]);
  });

  test("meets every effect, every rule and a route", () => {
    expect(new Set(verdictsInWasm.map(({ effect }) => effect))).toEqual(
      new Set(["allow", "throttle", "block"]),
    );
    expect(verdictsInWasm.some(({ routes }) => routes.length > 0)).toBe(true);
    const seen = new Set(verdictsInWasm.flatMap(({ reasons }) => reasons.map(({ code }) => code)));
    expect(readCodes().filter((code) => !seen.has(code))).toEqual(["shape.config"]);
  });
});

/** Codes of the shipped bundle's rules. */
function readCodes(): readonly string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, "bundles/starter/.manifest"), "utf8")) as {
    metadata: { weir: { rules: Record<string, unknown> } };
  };
  return Object.keys(manifest.metadata.weir.rules);
}
