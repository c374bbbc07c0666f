import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadBundle } from "../../adapters/bundles/folder-bundles.ts";
import type { PolicyInput } from "../../engine/policy/input.ts";
import { canonicalJson } from "../../engine/record/canonical.ts";
import { type TestEngine } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";
import { open } from "../support/opened.ts";
import { decisionsOf } from "./standing.ts";

describe("invariant 4: each recorded input gives its verdict again, bit for bit", () => {
  test("with the bundle kept under its digest, in another process's memory", async () => {
    const seed = testSeed("replay");
    const engine = await open({ seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    await traffic.run(400);
    await engine.weir.idle();
    const records = decisionsOf(engine);
    let judged = 0;
    for (const record of records) {
      const bundle = bundleFor(engine, record.bundle.digest);
      expect(record.evaluations.length).toBeGreaterThan(0);
      for (const { input, verdict } of record.evaluations) {
        expect((input as PolicyInput).now_ms).toBe(record.at_ms);
        const again = bundle.policy.evaluate(canonicalJson(input));
        expect(again.text?.text ?? "null").toBe(canonicalJson(verdict));
        judged += 1;
      }
    }
    expect(judged).toBeGreaterThan(records.length);
  });

  const bundles = new Map<string, ReturnType<typeof loadBundle>>();
  function bundleFor(engine: TestEngine, digest: string) {
    const bundle = bundles.get(digest) ?? loadBundle(join(engine.folder, "bundles", digest));
    expect(bundle.digest).toBe(digest);
    bundles.set(digest, bundle);
    return bundle;
  }
});
