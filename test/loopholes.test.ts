import { describe, expect, test } from "vitest";

import type { Decision } from "../engine/decision/decision.ts";
import { SteadyClock } from "../engine/steady-clock.ts";
import { SteppedClock } from "../adapters/system/clock.ts";
import { budgetOf } from "./support/budgets.ts";
import { intentOf, LOCAL, START_MS, type TestEngine } from "./support/engine.ts";
import { open } from "./support/opened.ts";

// Ways to spend around a budget, a freeze or a price, each closed.

const OVERKILL = { model: "openai:gpt-6.1-sol", task: "classify" };

async function held(engine: TestEngine): Promise<bigint> {
  const balances = await engine.store.balances();
  return balances.reduce((sum, balance) => sum + balance.held, 0n);
}

describe("a frozen model", () => {
  test("is not reached by a reroute", async () => {
    const engine = await open();
    const before = await engine.weir.decide(intentOf("a", OVERKILL), LOCAL);
    expect(before.effect).toBe("reroute");
    await engine.store.freeze("acme", { reason: "incident", scope: `model:${before.model}` });
    const after = await engine.weir.decide(intentOf("b", OVERKILL), LOCAL);
    expect(after.model).not.toBe(before.model);
    const asked = await engine.weir.decide(intentOf("c", { model: before.model }), LOCAL);
    expect(asked.effect).toBe("block");
  });
});

describe("a hold", () => {
  test("stays while one of two callers who were told to go may run", async () => {
    const engine = await open();
    const first = await engine.weir.decide(intentOf("a"), LOCAL);
    const second = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(second).toMatchObject({ id: first.id, replayed: true });
    const before = await held(engine);
    await engine.weir.undelivered(first);
    expect(await held(engine)).toBe(before);
  });
});

describe("a report", () => {
  const settle = async (engine: TestEngine, decision: Decision, model: string) =>
    engine.weir.report(
      {
        decisionId: decision.id,
        final: true,
        model,
        outcome: "ok",
        usage: { input: 1_000, output: 100 },
      },
      LOCAL,
    );

  test("that names a cheaper model is charged as the decided one, and says so", async () => {
    const engine = await open();
    const decide = (id: string) => engine.weir.decide(intentOf(id), LOCAL);
    const { chargedNanoUsd } = await settle(engine, await decide("a"), "");
    for (const [id, model] of [
      ["b", "openai:omni-moderation-latest"],
      ["c", "openai:none"],
    ] as const) {
      const result = await settle(engine, await decide(id), model);
      expect(result.chargedNanoUsd, model).toBe(chargedNanoUsd);
      expect(result.flags).toContain("other_model");
    }
  });

  test("that names a dearer model, or one the bundle routes to, is charged as that one", async () => {
    const engine = await open();
    const decide = (id: string) => engine.weir.decide(intentOf(id), LOCAL);
    const own = await settle(engine, await decide("a"), "");
    const dearer = await settle(engine, await decide("b"), "anthropic:claude-opus-5-5");
    expect(dearer.chargedNanoUsd).toBeGreaterThan(own.chargedNanoUsd);
    const routed = await settle(engine, await decide("c"), "openai:gpt-5-nano");
    expect(routed.chargedNanoUsd).toBeLessThan(own.chargedNanoUsd);
  });
});

describe("a budget per user", () => {
  test("holds for calls that name no user, together", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("user", { limit: 2, per: ["user"], unit: "calls" })] },
    });
    const effects: string[] = [];
    for (const id of ["a", "b", "c"]) {
      effects.push((await engine.weir.decide(intentOf(id), LOCAL)).effect);
    }
    expect(effects).toEqual(["allow", "allow", "block"]);
  });
});

describe("time", () => {
  const DAY_MS = 86_400_000;

  test("waits for a clock that was set back a little", () => {
    const clock = new SteppedClock(START_MS);
    const steady = new SteadyClock(clock, START_MS + 60_000);
    clock.advance(30_000);
    expect(steady.nowMs()).toBe(START_MS + 60_000);
    clock.advance(60_000);
    expect(steady.nowMs()).toBe(START_MS + 90_000);
  });

  test("goes on, never back, behind one wrong reading far ahead", () => {
    const clock = new SteppedClock(START_MS);
    const steady = new SteadyClock(clock, 0);
    clock.set(START_MS + 3_650 * DAY_MS);
    const wrong = steady.nowMs();
    clock.set(START_MS);
    let last = steady.nowMs();
    expect(last).toBe(wrong);
    for (let hour = 0; hour < 48; hour += 1) {
      clock.advance(3_600_000);
      expect(steady.nowMs()).toBeGreaterThan(last);
      last = steady.nowMs();
    }
    expect(last).toBeGreaterThanOrEqual(wrong + DAY_MS - 1);
  });
});
