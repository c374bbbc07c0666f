import { expect, test } from "vitest";

import { openTestEngine, START_MS } from "../../test/support/engine.ts";
import type { Bundle } from "../policy/bundle.ts";
import { warmUp } from "./warm-up.ts";

test("every input of the warm-up is one the policy takes", async () => {
  const engine = await openTestEngine();
  const bundle = engine.ports.bundles.current();
  const codes = new Set<string>();
  let count = 0;
  const policy: Bundle["policy"] = {
    evaluate: (text) => {
      const evaluated = bundle.policy.evaluate(text);
      expect(evaluated.fault).toBeNull();
      for (const { code } of evaluated.verdict?.reasons ?? []) codes.add(code);
      count += 1;
      return evaluated;
    },
  };
  warmUp({ ...bundle, policy }, START_MS);
  expect(count).toBe(800);
  expect([...codes].filter((code) => code.startsWith("shape."))).toEqual([]);
  await engine.close();
});
