import { afterEach, describe, expect, test } from "vitest";

import type { Decision } from "../engine/decision/decision.ts";
import type { RawReport } from "../engine/ledger/report.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import { LIMITS } from "../engine/limits.ts";
import type { BudgetData } from "../engine/policy/bundle-data.ts";
import type { EntryRecord } from "../engine/record/record.ts";
import { budgetOf, NO_VELOCITY } from "./support/budgets.ts";
import {
  intentOf,
  LOCAL,
  openTestEngine,
  START_MS,
  type TestEngine,
  type TestEngineOptions,
} from "./support/engine.ts";

const opened: TestEngine[] = [];

async function open(options: TestEngineOptions = {}): Promise<TestEngine> {
  const data = { budgets: [budgetOf("day")], velocity: NO_VELOCITY, ...options.data };
  const engine = await openTestEngine({ ...options, data });
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) {
    await engine.weir.idle();
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect.soft(check.problems).toEqual([]);
    expect.soft(check.open).toBe(await engine.store.openReservations());
    await engine.close();
  }
});

/** gpt-5-mini: 0.25 USD in, 2 USD out per million tokens, so nano-USD = 250 · in + 2,000 · out. */
const cost = (input: number, output: number): bigint =>
  BigInt(input) * 250n + BigInt(output) * 2_000n;
const HELD = cost(1_000, 500);

function reporting(engine: TestEngine, decision: Decision) {
  return (sequence: number, input: number, output: number, change: Partial<RawReport> = {}) =>
    engine.weir.report(
      { decisionId: decision.id, sequence, usage: { input, output }, ...change },
      LOCAL,
    );
}
const FINAL = { final: true, outcome: "ok" } as const;

async function day(engine: TestEngine): Promise<readonly [bigint, bigint]> {
  const [balance] = await engine.store.balances();
  return [balance?.held ?? 0n, balance?.settled ?? 0n];
}

function entries(engine: TestEngine): EntryRecord[] {
  return engine.lines().filter((line) => line.kind === "entry");
}

describe("cumulative reports", () => {
  test("a higher sequence posts the difference, the final one gives the rest of the hold back", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    expect(await day(engine)).toEqual([HELD, 0n]);
    expect(await report(1, 400, 0)).toMatchObject({
      chargedNanoUsd: cost(400, 0),
      flags: [],
      status: "posted",
    });
    expect(await day(engine)).toEqual([HELD - cost(400, 0), cost(400, 0)]);
    expect(await report(5, 1_000, 100)).toMatchObject({ status: "posted" });
    expect(await day(engine)).toEqual([HELD - cost(1_000, 100), cost(1_000, 100)]);
    expect(await report(6, 1_000, 300, FINAL)).toMatchObject({
      chargedNanoUsd: cost(1_000, 300),
      status: "settled",
    });
    expect(await day(engine)).toEqual([0n, cost(1_000, 300)]);
    expect(entries(engine).map(({ flags }) => flags)).toEqual([["partial"], ["partial"], []]);
    expect(entries(engine).map(({ cost_pico_usd: pico }) => BigInt(pico))).toEqual(
      [cost(400, 0), cost(1_000, 100), cost(1_000, 300)].map((nano) => nano * 1_000n),
    );
  });

  test("a lower total than before gives the difference back", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    await report(1, 1_000, 500);
    expect(await day(engine)).toEqual([0n, HELD]);
    await report(2, 1_000, 100, FINAL);
    expect(await day(engine)).toEqual([0n, cost(1_000, 100)]);
  });

  test("the same again is a no-op, an equal number with other figures a conflict, a lower one ignored", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    await report(4, 700, 70);
    const before = await day(engine);
    const posted = entries(engine).length;
    expect(await report(4, 700, 70)).toMatchObject({
      chargedNanoUsd: cost(700, 70),
      status: "duplicate",
    });
    await expect(report(4, 700, 71)).rejects.toMatchObject({ code: "report.conflict" });
    await expect(report(4, 700, 70, FINAL)).rejects.toMatchObject({ code: "report.conflict" });
    expect(await report(3, 9_000, 9_000)).toMatchObject({
      chargedNanoUsd: cost(700, 70),
      status: "superseded",
    });
    expect(await day(engine)).toEqual(before);
    expect(entries(engine)).toHaveLength(posted);
  });

  test("an estimate never replaces the provider's figures, which replace it", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    expect(await report(1, 100, 100, { basis: "estimated" })).toMatchObject({ status: "posted" });
    expect(await report(2, 200, 200, { basis: "estimated" })).toMatchObject({ status: "posted" });
    expect(await report(3, 150, 150, { basis: "provider" })).toMatchObject({ status: "posted" });
    expect(await report(4, 900, 900, { basis: "estimated", ...FINAL })).toMatchObject({
      status: "superseded",
    });
    expect(await day(engine)).toEqual([HELD - cost(200, 200), cost(150, 150)]);
    expect(await report(5, 160, 160, FINAL)).toMatchObject({ status: "settled" });
    expect(await day(engine)).toEqual([0n, cost(160, 160)]);
  });

  test("many at once end in the highest, and every difference is posted once", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    const sequences = [3, 9, 1, 7, 5, 2, 8, 4, 6];
    await Promise.all(sequences.map((sequence) => report(sequence, sequence * 100, sequence)));
    expect(await day(engine)).toEqual([HELD - cost(900, 9), cost(900, 9)]);
    await report(10, 950, 10, FINAL);
    expect(await day(engine)).toEqual([0n, cost(950, 10)]);
  });

  test("after the final report a higher one corrects, and holds nothing again", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    await report(1, 100, 100, FINAL);
    expect(await report(2, 100, 150, FINAL)).toMatchObject({
      flags: ["late"],
      status: "corrected",
    });
    expect(await day(engine)).toEqual([0n, cost(100, 150)]);
    expect(entries(engine).map(({ entry }) => entry)).toEqual(["settled", "corrected"]);
  });

  test("output above the cap is charged in full and flagged", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    expect(await report(1, 1_000, 501, FINAL)).toMatchObject({
      flags: ["overrun"],
      status: "settled",
    });
    expect(await day(engine)).toEqual([0n, cost(1_000, 501)]);
  });

  test("what nobody has a price for is flagged", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    const result = await report(1, 10, 10, { model: "openai:no-such-model" });
    expect(result.flags).toContain("unpriced");
  });

  test("another model or tier than the decided one is priced as what it was", async () => {
    const engine = await open();
    const report = reporting(engine, await engine.weir.decide(intentOf("a"), LOCAL));
    const { chargedNanoUsd } = await report(1, 1_000, 100, { serviceTier: "batch" });
    expect(chargedNanoUsd).toBe(cost(1_000, 100) / 2n);
  });

  test("a price that changes between the decision and the report changes nothing", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    engine.clock.advance(100 * 86_400_000);
    const { chargedNanoUsd } = await reporting(engine, decision)(1, 1_000, 100, FINAL);
    expect(chargedNanoUsd).toBe(cost(1_000, 100));
  });

  test("it posts to the window of admission, not to that of the report", async () => {
    const engine = await open({ startMs: Date.UTC(2026, 10, 25, 23, 59, 30) });
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    engine.clock.advance(60_000);
    await reporting(engine, decision)(1, 1_000, 100, FINAL);
    await engine.weir.decide(intentOf("b"), LOCAL);
    const balances = await engine.store.balances();
    const at = (dayOfMonth: number) => `|${Date.UTC(2026, 10, dayOfMonth)}`;
    expect(balances.find(({ instance }) => instance.endsWith(at(25)))).toMatchObject({
      held: 0n,
      settled: cost(1_000, 100),
    });
    expect(balances.find(({ instance }) => instance.endsWith(at(26)))).toMatchObject({
      held: HELD,
      settled: 0n,
    });
  });
});

describe("late reports", () => {
  test("after a cancel: charged, late, as a correction", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(await engine.weir.cancel(decision.id, LOCAL)).toEqual({ released: true });
    const result = await reporting(engine, decision)(1, 100, 10, FINAL);
    expect(result).toMatchObject({
      chargedNanoUsd: cost(100, 10),
      flags: ["late"],
      status: "corrected",
    });
    expect(await day(engine)).toEqual([0n, cost(100, 10)]);
  });

  test("after a block: charged, late, and seen by the next call", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day", { limit: 1_250 })] } });
    const decision = await engine.weir.decide(
      intentOf("a", { attempt: { number: 2, reason: "content_filter" } }),
      LOCAL,
    );
    expect(decision.effect).toBe("block");
    await engine.weir.idle();
    expect(await reporting(engine, decision)(1, 0, 1, FINAL)).toMatchObject({
      flags: ["late"],
      status: "corrected",
    });
    expect((await engine.weir.decide(intentOf("b"), LOCAL)).effect).not.toBe("allow");
  });

  test.each([
    ["release", 0n],
    ["charge_expected", cost(1_000, 350)],
    ["charge_held", HELD],
  ] as const)(
    "after an expiry that does %s: the difference to what that charged",
    async (onExpiry, charged) => {
      const engine = await open({ data: { budgets: [budgetOf("day", { on_expiry: onExpiry })] } });
      const decision = await engine.weir.decide(intentOf("a"), LOCAL);
      engine.clock.set(decision.expiresAtMs - 1);
      expect(await engine.weir.sweep()).toBe(0);
      engine.clock.set(decision.expiresAtMs + 1_000);
      expect(await engine.weir.sweep()).toBe(1);
      expect(await day(engine)).toEqual([0n, charged]);
      expect(entries(engine)).toMatchObject([
        { cost_pico_usd: String(charged * 1_000n), entry: "expired" },
      ]);
      expect(await engine.weir.sweep()).toBe(0);
      expect(await reporting(engine, decision)(1, 800, 80, FINAL)).toMatchObject({
        flags: ["late"],
        status: "corrected",
      });
      expect(await day(engine)).toEqual([0n, cost(800, 80)]);
    },
  );

  test("an expiry after a partial report charges nothing on top, and says what the call cost so far", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { on_expiry: "charge_held" })] },
    });
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    await reporting(engine, decision)(1, 300, 30);
    engine.clock.advance(200_000);
    await engine.weir.sweep();
    expect(await day(engine)).toEqual([0n, cost(300, 30)]);
    expect(entries(engine).at(-1)).toMatchObject({
      cost_pico_usd: String(cost(300, 30) * 1_000n),
      entry: "expired",
    });
  });

  test("a cancel after a partial report gives back what is left, and says what the call cost so far", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    await reporting(engine, decision)(1, 300, 30);
    expect(await engine.weir.cancel(decision.id, LOCAL)).toEqual({ released: true });
    expect(await day(engine)).toEqual([0n, cost(300, 30)]);
    expect(entries(engine).at(-1)).toMatchObject({
      cost_pico_usd: String(cost(300, 30) * 1_000n),
      entry: "released",
    });
  });

  test("are taken for seven days, found again through the log, then never", async () => {
    const engine = await open();
    const decisions: Decision[] = [];
    for (const id of ["a", "b", "c"]) decisions.push(await engine.weir.decide(intentOf(id), LOCAL));
    const [early, last, over] = decisions as [Decision, Decision, Decision];
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    expect(await engine.store.decision(early.id)).toBeNull();
    expect(await reporting(engine, early)(1, 100, 10, FINAL)).toMatchObject({
      flags: ["late"],
      status: "corrected",
    });
    expect(await reporting(engine, early)(1, 100, 10, FINAL)).toMatchObject({
      status: "duplicate",
    });
    engine.clock.set(last.expiresAtMs + LIMITS.lateReportMs);
    await engine.weir.sweep();
    expect(await reporting(engine, last)(1, 200, 20, FINAL)).toMatchObject({
      flags: ["late"],
      status: "corrected",
    });
    engine.clock.advance(1);
    await expect(reporting(engine, over)(1, 1, 1, FINAL)).rejects.toMatchObject({
      code: "decision.too_old",
    });
    await expect(engine.weir.cancel(over.id, LOCAL)).rejects.toMatchObject({
      code: "decision.too_old",
    });
    const charged = cost(100, 10) + cost(200, 20);
    const sum = (await engine.store.balances()).reduce((total, { settled }) => total + settled, 0n);
    expect(sum === charged || sum === 0n).toBe(true);
  });

  test("a decision found again through the log knows its reports: equal, higher, weaker, conflicting", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    const report = reporting(engine, decision);
    await report(2, 100, 10, FINAL);
    expect(await report(3, 500, 50, { basis: "estimated", ...FINAL })).toMatchObject({
      status: "superseded",
    });
    await expect(report(2, 1, 1, FINAL)).rejects.toMatchObject({ code: "report.conflict" });
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    expect(await engine.store.decision(decision.id)).toBeNull();
    expect(await report(2, 100, 10, FINAL)).toMatchObject({
      chargedNanoUsd: cost(100, 10),
      status: "duplicate",
    });
    await expect(report(2, 1, 1, FINAL)).rejects.toMatchObject({ code: "report.conflict" });
    expect(await report(1, 1, 1)).toMatchObject({ status: "superseded" });
    expect(await report(3, 120, 12, FINAL)).toMatchObject({ status: "corrected" });
    expect(await day(engine)).toEqual([0n, cost(120, 12)]);
    await expect(engine.weir.cancel(decision.id, LOCAL)).rejects.toMatchObject({
      code: "decision.finished",
    });
  });

  test("a correction of a call that was forgotten counts once in its run", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a", { run: { id: "r" } }), LOCAL);
    await reporting(engine, decision)(1, 400, 40, FINAL);
    const spent = () => engine.store.tenant("acme").runs.runs.get("r")?.spent;
    expect(spent()).toBe(Number(cost(400, 40)));
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    await reporting(engine, decision)(2, 400, 50, FINAL);
    expect(spent()).toBe(Number(cost(400, 50)));
  });
});

describe("cancel", () => {
  test("releases once; a second one changes nothing", async () => {
    const engine = await open();
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: true });
    expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: false });
    expect(await day(engine)).toEqual([0n, 0n]);
    expect(entries(engine).map(({ entry }) => entry)).toEqual(["released"]);
  });

  test("after a final report is refused and changes nothing", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    await reporting(engine, decision)(1, 10, 1, FINAL);
    await expect(engine.weir.cancel(decision.id, LOCAL)).rejects.toMatchObject({
      code: "decision.finished",
    });
    expect(await day(engine)).toEqual([0n, cost(10, 1)]);
  });

  test("after a block or an expiry there is nothing to release", async () => {
    const engine = await open();
    const blocked = await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
    expect(await engine.weir.cancel(blocked.id, LOCAL)).toEqual({ released: false });
    const { id } = await engine.weir.decide(intentOf("b"), LOCAL);
    engine.clock.advance(200_000);
    await engine.weir.sweep();
    expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: false });
  });

  const never = `d00000000${START_MS.toString(16).padStart(11, "0")}${"0".repeat(32)}`;

  test.each(["d", "x".repeat(52), never, "../../etc/passwd"])(
    "of %j, which is no decision",
    async (id) => {
      const engine = await open();
      await expect(engine.weir.cancel(id, LOCAL)).rejects.toMatchObject({
        code: "decision.not_found",
      });
    },
  );
});

describe("units", () => {
  const budgets: BudgetData[] = [
    budgetOf("usd"),
    budgetOf("tokens", { unit: "tokens" }),
    budgetOf("calls", { limit: 10, unit: "calls" }),
  ];

  test("tokens settle what was used, calls settle one", async () => {
    const engine = await open({ data: { budgets } });
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    const by = async (id: string) => {
      const { held, settled } =
        (await engine.store.balances()).find(({ budget }) => budget === id) ?? {};
      return [held, settled];
    };
    expect([await by("tokens"), await by("calls")]).toEqual([
      [1_500n, 0n],
      [1n, 0n],
    ]);
    await reporting(engine, decision)(1, 700, 70, FINAL);
    expect([await by("usd"), await by("tokens"), await by("calls")]).toEqual([
      [0n, cost(700, 70)],
      [0n, 770n],
      [0n, 1n],
    ]);
  });

  test("zero means zero, and a call that costs nothing passes an exhausted money budget", async () => {
    const engine = await open({ data: { budgets: [budgetOf("none", { limit: 0 })] } });
    expect((await engine.weir.decide(intentOf("a"), LOCAL)).effect).toBe("block");
    const free = intentOf("b", {
      model: "openai:omni-moderation-latest",
      operation: "moderation",
      task: "",
    });
    const decision = await engine.weir.decide(free, LOCAL);
    expect(decision).toMatchObject({
      effect: "allow",
      estimate: { ceilingMicroUsd: 0, priced: true },
    });
  });

  test("a changed limit acts at the next call, without a clawback", async () => {
    const engine = await open();
    await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.weir.idle();
    const lower = await engine.openCopy({
      data: { budgets: [budgetOf("day", { limit: 1_000 })], velocity: NO_VELOCITY },
    });
    opened.push(lower);
    expect(await day(lower)).toEqual([HELD, 0n]);
    const decision = await lower.weir.decide(intentOf("b"), LOCAL);
    expect(decision.effect).toBe("block");
    expect(decision.reasons[0]?.params["remaining_micro_usd"]).toBe(-250);
    const higher = await engine.openCopy({
      data: { budgets: [budgetOf("day", { limit: 2_500 })], velocity: NO_VELOCITY },
    });
    opened.push(higher);
    expect((await higher.weir.decide(intentOf("b"), LOCAL)).effect).toBe("allow");
    expect((await higher.weir.decide(intentOf("c"), LOCAL)).effect).toBe("block");
  });
});
