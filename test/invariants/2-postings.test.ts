import { describe, expect, test } from "vitest";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { budgetOf, EVERY_KIND, NO_VELOCITY } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";
import { open } from "../support/opened.ts";
import { balanceOf, entriesOf } from "./standing.ts";

describe("invariant 2: postings are the balances, and every hold ends exactly once", () => {
  test("after traffic of every kind the sums agree and nothing is left open once all has expired", async () => {
    const seed = testSeed("postings");
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    for (let round = 0; round < 4; round += 1) {
      await traffic.run(250);
      await engine.weir.idle();
      const check = verifyLedger(engine.lines(), await engine.store.balances());
      expect(check.problems, `seed ${seed}`).toEqual([]);
      expect(check.overdrawn, `seed ${seed}`).toEqual([]);
      expect(check.open).toBe(await engine.store.openReservations());
    }
    engine.clock.advance(600_000);
    while ((await engine.weir.sweep()) > 0);
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 0, problems: [] });
    for (const { held } of check.balances.values()) expect(held).toBe(0n);
    const tried = [
      "allow",
      "reroute",
      "block",
      "report settled",
      "report corrected",
      "report posted",
      "expired",
    ];
    for (const what of tried) expect([...traffic.effects.keys()], `seed ${seed}`).toContain(what);
  });

  test("an actual above the hold is charged in full, flagged, and seen by the next call", async () => {
    const budgets = [budgetOf("day", { limit: 10_000 })];
    const engine = await open({ data: { budgets, velocity: NO_VELOCITY } });
    const first = await engine.weir.decide(intentOf("one"), LOCAL);
    expect(first.effect).toBe("allow");
    // 1,000 in at 0.25 and 4,900 out at 2 USD per million: 10,050 micro-USD.
    const usage = { input: 1_000, output: 4_900 };
    const result = await engine.weir.report(
      { decisionId: first.id, final: true, outcome: "ok", usage },
      LOCAL,
    );
    expect(result).toMatchObject({
      chargedNanoUsd: 10_050_000n,
      flags: ["overrun"],
      status: "settled",
    });
    expect(await balanceOf(engine, "day")).toMatchObject({ held: 0n, settled: 10_050_000n });
    expect(entriesOf(engine, first.id).map(({ flags }) => flags)).toEqual([["overrun"]]);
    const next = await engine.weir.decide(intentOf("two"), LOCAL);
    expect(next.effect).toBe("block");
    expect(next.reasons[0]?.params["remaining_micro_usd"]).toBe(-50);
  });
});
