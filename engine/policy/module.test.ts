import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { SHIPPED_BUNDLE } from "../../test/support/engine.ts";
import { openEvaluator } from "./evaluate.ts";

test("an input beyond a policy's memory is a fault, and the next one is judged", () => {
  const read = (name: string): Buffer => readFileSync(join(SHIPPED_BUNDLE, name));
  const policy = openEvaluator(
    read("policy.wasm"),
    JSON.parse(read("data.json").toString()) as object,
  );
  // A byte of text is counted as three until it is written: 150 MB for 128 MiB.
  const evaluated = policy.evaluate(JSON.stringify("x".repeat(50_000_000)));
  expect(evaluated.verdict).toBeNull();
  expect(evaluated.fault).not.toBeNull();
  expect(policy.evaluate("{}").verdict).toMatchObject({ effect: "block" });
});
