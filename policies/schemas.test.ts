import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { findFaults } from "../adapters/opa/match-schema.ts";
import type { Schema } from "../adapters/opa/parity/schema.ts";
import { makeCorpus } from "./corpus.ts";
import { loadInWasm } from "./in-wasm.ts";

const BUNDLE = join(import.meta.dirname, "../bundles/starter");
const data = JSON.parse(readFileSync(join(BUNDLE, "data.json"), "utf8")) as {
  readonly config: unknown;
};
const whole = makeCorpus(3, 100, 0)
  .filter(({ broken }) => !broken)
  .map(({ input }) => input);

test("input.json describes exactly what the engine's PolicyInput holds", () => {
  expect(whole.flatMap((input) => findFaults(input, read("input"), "input"))).toEqual([]);
});

test("result.json describes exactly what the policy returns", () => {
  const judge = loadInWasm(readFileSync(join(BUNDLE, "policy.wasm")), data);
  const results = whole.map((input) => judge(input, "weir/decision"));
  expect(results.flatMap((result) => findFaults(result, read("result"), "result"))).toEqual([]);
});

test("config.json describes exactly what the bundle's data holds", () => {
  expect(findFaults(data.config, read("config"), "config")).toEqual([]);
});

test("a member too many, one missing and one of another type are faults", () => {
  const [input] = whole as readonly Record<string, unknown>[];
  expect(findFaults({ ...input, x: 1 }, read("input"), "input")).toEqual([
    "input.x is not described",
  ]);
  expect(findFaults({ ...input, mode: undefined }, read("input"), "input")).toEqual([
    "input.mode is missing",
  ]);
  expect(findFaults({ ...input, now_ms: "7" }, read("input"), "input")).toEqual([
    "input.now_ms is not integer",
  ]);
});

function read(name: string): Schema {
  return JSON.parse(
    readFileSync(join(import.meta.dirname, `schemas/${name}.json`), "utf8"),
  ) as Schema;
}
