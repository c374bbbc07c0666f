import { describe, expect, test } from "vitest";
import type { PolicyInput } from "../../engine/policy/input.ts";
import type { Verdict } from "../../engine/policy/verdict.ts";
import { CanonicalText, canonicalJson } from "../../engine/record/canonical.ts";
import type { DecisionRecord } from "../../engine/record/record.ts";
import { EVERY_KIND } from "../support/budgets.ts";
import { intentOf, LOCAL, openTestEngine, type TestEngine } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";
import { closeAfter, closeEarly, open } from "../support/opened.ts";
import { decisionsOf } from "./standing.ts";

describe("invariant 5: a rerouted call would have been allowed had it been asked for directly", () => {
  test("each reroute, asked directly in the same state, is allowed and holds the same", async () => {
    const seed = testSeed("reroutes");
    const random = new Random(seed);
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, random, { clockSteps: false });
    let rerouted = 0;
    for (let count = 0; count < 36; count += 1) {
      await traffic.run(4);
      const raw = intentOf(`probe-${count}`, {
        data: { sensitivity: random.pick(["internal", "confidential"]) },
        model: random.pick(["openai:gpt-6.1-sol", "anthropic:claude-opus-5-5", "openai:gpt-5"]),
        task: random.pick(["chat", "classify", "code"]),
        tokens: { input: random.int(1, 3_000), outputMax: random.int(1, 2_000) },
      });
      const twin = await engine.openCopy();
      closeAfter(twin);
      const decision = await engine.weir.decide(raw, LOCAL);
      if (decision.effect !== "reroute") {
        await closeEarly(twin);
        continue;
      }
      rerouted += 1;
      const direct = await twin.weir.decide({ ...raw, model: decision.model }, LOCAL);
      // Asked directly it may be sent on to a still cheaper model, but nothing stands in its way.
      const [own] = recordOf(twin, direct.id).evaluations;
      expect(own?.verdict, `seed ${seed}`).toMatchObject({ effect: "allow" });
      if (direct.effect === "allow") {
        const record = recordOf(engine, decision.id);
        expect(recordOf(twin, direct.id).reservation.holds).toEqual(record.reservation.holds);
        expect(direct.obligations).toEqual(decision.obligations);
      }
      await closeEarly(twin);
    }
    expect(rerouted, `seed ${seed}`).toBeGreaterThan(10);
  });

  test("an alternative that the policy names but would not allow is passed over, whatever fits", async () => {
    const verdict = (effect: string, routes: readonly string[]) => {
      const value = {
        effect,
        obligations: {},
        reasons: [],
        retry_after_ms: effect === "throttle" ? 5 : 0,
        routes,
      };
      return {
        fault: null,
        text: new CanonicalText(canonicalJson(value)),
        verdict: value as unknown as Verdict,
      };
    };
    const said: Readonly<Record<string, readonly [string, readonly string[]]>> = {
      "openai:gpt-5-mini": ["throttle", []],
      "openai:gpt-6-luna": ["block", ["openai:gpt-5-nano"]],
      "openai:gpt-6.1-sol": [
        "block",
        ["openai:gpt-6.1-terra", "openai:gpt-6-luna", "openai:none", "mistral:mistral-large-4"],
      ],
      "openai:gpt-6.1-terra": ["throttle", []],
    };
    const evaluate = (text: string) => {
      const { intent } = JSON.parse(text) as PolicyInput;
      return verdict(...(said[intent.model] ?? (["allow", []] as const)));
    };
    const engine = await open({
      ports: ({ bundles }) => {
        const bundle = { ...bundles.current(), policy: { evaluate } };
        return { bundles: { byDigest: () => bundle, current: () => bundle } };
      },
    });
    // Three at most are tried; a name that is no route of the model asked for is none of them.
    const decision = await engine.weir.decide(
      intentOf("a", { model: "openai:gpt-6.1-sol" }),
      LOCAL,
    );
    expect(decision).toMatchObject({ effect: "reroute", model: "mistral:mistral-large-4" });
    const models = decisionsOf(engine)[0]?.evaluations.map(({ model }) => model);
    expect(models).toEqual([
      "openai:gpt-6.1-sol",
      "openai:gpt-6.1-terra",
      "openai:gpt-6-luna",
      "mistral:mistral-large-4",
    ]);
  });

  test("the facts an alternative is judged on are those of a direct call", async () => {
    const engine = await open();
    const twin = await openTestEngine();
    closeAfter(twin);
    // A retry, so that the velocity windows and what was attempted in them are told to the policy.
    const raw = intentOf("sol", {
      attempt: { number: 2, reason: "timeout" },
      data: { sensitivity: "confidential" },
      model: "openai:gpt-6.1-sol",
    });
    const decision = await engine.weir.decide(raw, LOCAL);
    expect(decision.effect).toBe("reroute");
    const direct = await twin.weir.decide({ ...raw, model: decision.model }, LOCAL);
    const judged = recordOf(engine, decision.id).evaluations.at(-1);
    expect(judged?.model).toBe(decision.model);
    expect(judged?.input).toEqual(recordOf(twin, direct.id).evaluations[0]?.input);
  });

  function recordOf(engine: TestEngine, id: string): DecisionRecord {
    return decisionsOf(engine).find((record) => record.id === id) as DecisionRecord;
  }
});
