import { describe, expect, test } from "vitest";
import type { Decision } from "../../engine/decision/decision.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { budgetOf, EVERY_KIND, NO_VELOCITY } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { closeAfter, open } from "../support/opened.ts";
import { balanceOf, CALL_NANO, decisionsOf } from "./standing.ts";

describe("invariant 1: no hard budget is exceeded at admission", () => {
  test("of hundreds of calls at once exactly as many are admitted as fit", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { limit: 125_000 })], velocity: NO_VELOCITY },
    });
    const decisions = await Promise.all(
      Array.from({ length: 400 }, (_, index) => engine.weir.decide(intentOf(`c${index}`), LOCAL)),
    );
    await engine.weir.idle();
    expect(decisions.filter(({ effect }) => effect === "allow")).toHaveLength(100);
    const blocked = decisions.filter(({ effect }) => effect === "block");
    expect(blocked).toHaveLength(300);
    for (const { reasons } of blocked) expect(reasons[0]?.code).toBe("budget.exhausted");
    expect(await balanceOf(engine, "day")).toMatchObject({ held: 100n * CALL_NANO, settled: 0n });
    for (const { reservation } of decisionsOf(engine)) expect(reservation.forced).toBe(false);
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 100, overdrawn: [], problems: [] });
  });

  test("holds on every budget or on none", async () => {
    const budgets = [
      budgetOf("wide", { limit: 10_000_000 }),
      budgetOf("narrow", { limit: 12_500 }),
      budgetOf("few", { limit: 3, unit: "calls" }),
    ];
    const engine = await open({ data: { budgets, velocity: NO_VELOCITY } });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => engine.weir.decide(intentOf(`c${index}`), LOCAL)),
    );
    await engine.weir.idle();
    expect(await balanceOf(engine, "few")).toMatchObject({ held: 3n });
    expect(await balanceOf(engine, "wide")).toMatchObject({ held: 3n * CALL_NANO });
    expect(await balanceOf(engine, "narrow")).toMatchObject({ held: 3n * CALL_NANO });
  });

  test("holds under random concurrent traffic, with restarts in between", async () => {
    const seed = testSeed("concurrent traffic");
    const random = new Random(seed);
    let engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const answered: Decision[] = [];
    for (let round = 0; round < 5; round += 1) {
      const work = Array.from({ length: 120 }, async (_, index) => {
        const decision = await engine.weir.decide(
          intentOf(`r${round}-${index}`, {
            attribution: { ...intentOf("").attribution, user: random.pick(["ada", "bo"]) },
            model: random.pick([
              "openai:gpt-5-mini",
              "openai:gpt-6.1-sol",
              "anthropic:claude-opus-5-5",
            ]),
            run: random.chance(0.3) ? { id: `run-${random.int(1, 5)}` } : undefined,
            task: random.pick(["chat", "plan"]),
            tokens: { input: random.int(1, 6_000), outputMax: random.int(1, 3_000) },
          }),
          LOCAL,
        );
        answered.push(decision);
        const roll = random.next();
        if (roll < 0.4) {
          const usage = { input: random.int(0, 6_000), output: random.int(0, 3_000) };
          await engine.weir.report(
            { decisionId: decision.id, final: true, outcome: "ok", usage },
            LOCAL,
          );
        } else if (roll < 0.6) await engine.weir.cancel(decision.id, LOCAL);
        if (roll > 0.97) {
          engine.clock.advance(random.int(1, 60_000));
          await engine.weir.sweep();
        }
        const overNow = (await engine.store.balances()).filter(
          ({ budget, held, settled }) => budget === "calls" && held + settled > 400n,
        );
        expect(overNow).toEqual([]);
      });
      await Promise.all(work);
      await engine.weir.idle();
      engine = await engine.reopen();
      closeAfter(engine);
      expect(engine.recovery).toMatchObject({ differences: [], owed: [] });
    }
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    // A settlement above its hold may take a balance over the limit; an admission never does.
    expect(check.overdrawn, `seed ${seed}`).toEqual([]);
    expect(check.problems, `seed ${seed}`).toEqual([]);
    expect(new Set(answered.map(({ effect }) => effect))).toContain("allow");
  });

  test("a reroute swaps the hold, and the sum of both models is never held", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { limit: 5_000 })], velocity: NO_VELOCITY },
    });
    // The model asked for costs more than the budget has; a cheaper one is suitable and fits.
    const decision = await engine.weir.decide(
      intentOf("dear", { model: "openai:gpt-6.1-sol", tokens: { input: 1_000, outputMax: 500 } }),
      LOCAL,
    );
    expect(decision.effect).toBe("reroute");
    const [record] = decisionsOf(engine);
    const held = record?.reservation.holds.find(({ budget }) => budget === "day");
    expect(BigInt(held?.amount ?? -1)).toBe((await balanceOf(engine, "day")).held);
    expect(BigInt(held?.amount ?? -1)).toBe(BigInt(decision.estimate.ceilingMicroUsd) * 1_000n);
    expect(
      record?.reservation.tried.filter(({ held: was }) => was).map(({ model }) => model),
    ).toEqual([decision.model]);
  });
});
