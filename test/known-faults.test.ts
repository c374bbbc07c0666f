import { afterEach, describe, expect, test } from "vitest";

import type { Decision } from "../engine/decision/decision.ts";
import type { WeirError } from "../engine/errors.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import type { BundleData, PriceRowData } from "../engine/policy/bundle-data.ts";
import { priceUsage } from "../engine/pricing/actual.ts";
import { openPriceBook } from "../engine/pricing/price-book.ts";
import { checkUsage } from "../engine/pricing/usage.ts";
import { planBudgets } from "../engine/reservation/budgets.ts";
import { planScopes } from "../engine/velocity/scopes.ts";
import { budgetOf, NO_VELOCITY } from "./support/budgets.ts";
import {
  intentOf,
  LOCAL,
  openTestEngine,
  type TestEngine,
  type TestEngineOptions,
} from "./support/engine.ts";
import { dumpBalances } from "./support/state-dump.ts";

// Faults that systems of this kind have had, each as an input with the right answer.

const opened: TestEngine[] = [];

async function open(
  data: Partial<BundleData>,
  options: TestEngineOptions = {},
): Promise<TestEngine> {
  const engine = await openTestEngine({
    ...options,
    data: { routes: {}, velocity: NO_VELOCITY, ...data },
  });
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) {
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect.soft(check.problems).toEqual([]);
    expect.soft(check.overdrawn).toEqual([]);
    await engine.close();
  }
});

/** 0.04 USD at most: 0.25 in, 2.00 out per million tokens. */
const FOUR_CENTS = { tokens: { input: 32_000, outputMax: 16_000 } };
/** 0.20 USD at most. */
const TWENTY_CENTS = { tokens: { input: 100_000, outputMax: 87_500 } };

/** Reports usage that costs this much, in micro-USD a multiple of 2. */
async function spend(engine: TestEngine, id: string, microUsd: number): Promise<void> {
  const usage = { input: 0, output: microUsd / 2 };
  await engine.weir.report({ decisionId: id, final: true, outcome: "ok", usage }, LOCAL);
}

const effects = (decisions: readonly Decision[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { effect } of decisions) counts[effect] = (counts[effect] ?? 0) + 1;
  return counts;
};

describe("a budget that is checked before and added to after", () => {
  test("of eight calls of one run at once exactly the two that fit are admitted", async () => {
    const run = { id: "run-1" };
    const engine = await open({
      budgets: [budgetOf("run", { limit: 1_000_000, per: ["run"], window: { kind: "run" } })],
    });
    const first = await engine.weir.decide(intentOf("first", { run }), LOCAL);
    await spend(engine, first.id, 900_000);
    const decisions = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        engine.weir.decide(intentOf(`c${index}`, { run, ...FOUR_CENTS }), LOCAL),
      ),
    );
    expect(effects(decisions)).toEqual({ allow: 2, block: 6 });
    await engine.weir.idle();
    expect((await engine.store.balances())[0]).toMatchObject({
      held: 80_000_000n,
      settled: 900_000_000n,
    });
  });

  test("the same for every unit, window and instance", async () => {
    const day = budgetOf("x").window;
    for (const [budget, admitted] of [
      [budgetOf("calls", { limit: 3, unit: "calls" }), 3],
      [budgetOf("tokens", { limit: 100_000, unit: "tokens" }), 2],
      [budgetOf("user", { limit: 90_000, per: ["user"] }), 2],
      [budgetOf("hour", { limit: 130_000, window: { ...day, unit: "hour" } as never }), 3],
    ] as const) {
      const engine = await open({ budgets: [budget] });
      const attribution = { ...intentOf("").attribution, user: "ada" };
      const decisions = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          engine.weir.decide(intentOf(`c${index}`, { attribution, ...FOUR_CENTS }), LOCAL),
        ),
      );
      expect(effects(decisions), budget.id).toEqual({ allow: admitted, block: 8 - admitted });
    }
  });
});

describe("calls whose clients vanish", () => {
  test("104 of 110 are admitted; after their deadline nothing is held, one entry each, and the next passes", async () => {
    // 800 and 5 USD in thousandths, so that the limit on one call stays out of it.
    const engine = await open({ budgets: [budgetOf("day", { limit: 32_000_000 })] });
    const first = await engine.weir.decide(intentOf("first"), LOCAL);
    await spend(engine, first.id, 11_200_000);
    const decisions = await Promise.all(
      Array.from({ length: 110 }, (_, index) =>
        engine.weir.decide(intentOf(`c${index}`, TWENTY_CENTS), LOCAL),
      ),
    );
    expect(effects(decisions)).toEqual({ allow: 104, block: 6 });
    engine.clock.advance(300_000);
    await engine.weir.sweep();
    await engine.weir.sweep();
    expect((await engine.store.balances())[0]).toMatchObject({
      held: 0n,
      settled: 11_200_000_000n,
    });
    const expired = engine
      .lines()
      .filter((line) => line.kind === "entry" && line.entry === "expired");
    expect(expired).toHaveLength(104);
    // Nobody reported, so the principal is slowed; somebody else passes.
    const next = await engine.weir.decide(intentOf("next", TWENTY_CENTS), {
      principal: "search-service",
    });
    expect(next.effect).toBe("allow");
  });

  test("who never reports is slowed, and recovers once calls are reported", async () => {
    const engine = await open({ budgets: [] });
    for (let count = 0; count < 20; count += 1)
      await engine.weir.decide(intentOf(`c${count}`), LOCAL);
    engine.clock.advance(300_000);
    await engine.weir.sweep();
    const slowed = await engine.weir.decide(intentOf("next"), LOCAL);
    expect(slowed).toMatchObject({ effect: "throttle", reasons: [{ code: "unreported.share" }] });
    engine.clock.advance(2 * 3_600_000);
    expect((await engine.weir.decide(intentOf("later"), LOCAL)).effect).toBe("allow");
  });
});

describe("a new period", () => {
  test.each(["hour", "day", "week", "month"] as const)(
    "%s: refused calls that retry through its start do not keep the old counter alive",
    async (unit) => {
      const start = {
        day: "2026-11-25",
        hour: "2026-11-25",
        month: "2026-12-01",
        week: "2026-11-30",
      }[unit];
      const startMs = Date.parse(`${start}T00:00:00Z`) - 30_000;
      const window = { kind: "calendar", unit, zone: "UTC" } as const;
      const engine = await open(
        { budgets: [budgetOf("b", { limit: 1_000_000, window })] },
        { startMs },
      );
      const first = await engine.weir.decide(intentOf("first"), LOCAL);
      await spend(engine, first.id, 1_200_000);
      for (let count = 0; count < 6; count += 1) {
        const decision = await engine.weir.decide(intentOf(`c${count}`), LOCAL);
        expect(decision.effect, `${count * 5} s`).toBe("block");
        expect(decision.reasons[0]?.params["resets_in_ms"]).toBe(30_000 - count * 5_000);
        engine.clock.advance(5_000);
      }
      const next = await engine.weir.decide(intentOf("next"), LOCAL);
      expect([engine.clock.nowMs() - startMs, next.effect]).toEqual([30_000, "allow"]);
    },
  );
});

describe("a free model and a paid alternative", () => {
  test("each hop is judged as its own call: the free one passes an exhausted budget, the paid one does not", async () => {
    const engine = await open({ budgets: [budgetOf("none", { limit: 0 })] });
    const free = { model: "openai:omni-moderation-latest", operation: "moderation", task: "" };
    expect((await engine.weir.decide(intentOf("free", free), LOCAL)).effect).toBe("allow");
    const fallback = await engine.weir.decide(
      intentOf("free-fallback", { model: "openai:gpt-5-mini" }),
      LOCAL,
    );
    expect(fallback.effect).toBe("block");
  });
});

describe("values that no budget or price may have", () => {
  const row = (change: object): PriceRowData => ({
    above_tokens: 0,
    from: "2026-01-01",
    micro_usd_per_mtok: { input: 3_000_000, output: 15_000_000, ...change },
    model: "a:b",
    source: "test",
    tier: "standard",
    to: null,
  });
  const refused = (load: () => unknown): readonly string[] => {
    try {
      load();
    } catch (thrown) {
      return (thrown as WeirError).violations.map(({ field }) => field);
    }
    return [];
  };

  test.each(["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning"])(
    "a negative price (%s) is refused at load with its path; 0 is accepted",
    (name) => {
      const book = (price: number) =>
        ({ currency: "USD", rows: [row({ [name]: price })], version: "v" }) as const;
      expect(refused(() => openPriceBook(book(-3_000_000)))).toEqual([
        `prices.rows[0].micro_usd_per_mtok.${name}`,
      ]);
      expect(refused(() => openPriceBook(book(0)))).toEqual([]);
    },
  );

  test("a negative budget is refused at load with its path; 0 is accepted and blocks every priced call", async () => {
    expect(refused(() => planBudgets([budgetOf("b", { limit: -5 })]))).toEqual([
      "config.budgets[0].limit",
    ]);
    const engine = await open({ budgets: [budgetOf("b", { limit: 0 })] });
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(decision).toMatchObject({ effect: "block", reasons: [{ code: "budget.exhausted" }] });
  });

  test("a velocity window without calls, ratio or limit is refused at load with its path", () => {
    const window = { calls_min: 1, cold_micro_usd: 1, floor_micro_usd: 0, ratio_percent: 100 };
    const windows = {
      "1h": window,
      "1m": { ...window, ratio_percent: 0 },
      "1s": { ...window, calls_min: -1 },
    };
    expect(
      refused(() => planScopes({ report_percent: 0, scopes: { team: { windows } } })).toSorted(),
    ).toEqual([
      "config.velocity.scopes.team.windows.1m.ratio_percent",
      "config.velocity.scopes.team.windows.1s.calls_min",
    ]);
  });
});

describe("rates", () => {
  test("a window is not renewed by each call: steady traffic under its limit is never throttled", async () => {
    const window = {
      calls_min: 5,
      cold_micro_usd: 90_000,
      floor_micro_usd: 90_000,
      ratio_percent: 200,
    };
    const windows = { "1h": { ...window, cold_micro_usd: null }, "1m": window, "1s": window };
    const engine = await open({
      budgets: [],
      velocity: { report_percent: 0, scopes: { team: { windows } } },
    });
    // 950 micro-USD each second, 57,000 a minute, for five minutes.
    for (let count = 0; count < 300; count += 1) {
      expect(
        (await engine.weir.decide(intentOf(`c${count}`), LOCAL)).effect,
        `second ${count}`,
      ).toBe("allow");
      engine.clock.advance(1_000);
    }
  });

  test("a refused call does not eat the quota that a wider budget shares", async () => {
    const window = { kind: "calendar", unit: "hour", zone: "UTC" } as const;
    const group = budgetOf("group", { limit: 10, unit: "calls", window });
    const special = budgetOf("special", {
      limit: 3,
      match: { feature: "special" },
      unit: "calls",
      window,
    });
    const engine = await open({ budgets: [group, special] });
    const attribution = { ...intentOf("").attribution, feature: "special" };
    const decisions = [];
    for (let count = 0; count < 5; count += 1) {
      decisions.push(await engine.weir.decide(intentOf(`s${count}`, { attribution }), LOCAL));
    }
    expect(effects(decisions)).toEqual({ allow: 3, block: 2 });
    await engine.weir.idle();
    expect((await engine.store.balances()).find(({ budget }) => budget === "group")?.held).toBe(3n);
    const others = [];
    for (let count = 0; count < 8; count += 1)
      others.push(await engine.weir.decide(intentOf(`g${count}`), LOCAL));
    expect(effects(others)).toEqual({ allow: 7, block: 1 });
  });
});

describe("usage", () => {
  const rates = (prices: PriceRowData["micro_usd_per_mtok"]) => {
    const data = {
      above_tokens: 0,
      from: "2026-01-01",
      model: "a:b",
      source: "t",
      tier: "standard",
      to: null,
    } as const;
    const rows = [{ ...data, micro_usd_per_mtok: prices }];
    const found = openPriceBook({ currency: "USD", rows, version: "v" }).rates(
      "a:b",
      "standard",
      Date.UTC(2026, 5),
    );
    return found ?? expect.unreachable();
  };

  test("a cache write is not charged as input as well", () => {
    const price = rates({ cache_write_5m: 6_250_000, input: 5_000_000, output: 25_000_000 });
    const usage = checkUsage({ cacheWrite5m: 159_217, input: 159_223, output: 2_745 });
    expect(priceUsage(usage, price).costPicoUsd).toBe(1_063_761_250_000n);
  });

  test("writes for an hour and for five minutes each have their price", () => {
    const price = rates({
      cache_write_1h: 10_000_000,
      cache_write_5m: 6_250_000,
      input: 5_000_000,
      output: 0,
    });
    const usage = checkUsage({ cacheWrite1h: 400_000, cacheWrite5m: 600_000, input: 1_000_000 });
    expect(priceUsage(usage, price).costPicoUsd).toBe(7_750_000_000_000n);
  });

  test("a cumulative figure replaces the opening one, it is not added to it", async () => {
    const engine = await open({
      budgets: [budgetOf("day"), budgetOf("tokens", { unit: "tokens" })],
    });
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.weir.report(
      { decisionId: id, sequence: 1, usage: { input: 25, output: 1 } },
      LOCAL,
    );
    const result = await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", sequence: 2, usage: { input: 25, output: 15 } },
      LOCAL,
    );
    expect(result.chargedNanoUsd).toBe(25n * 250n + 15n * 2_000n);
    expect((await engine.store.balances()).find(({ budget }) => budget === "tokens")?.settled).toBe(
      40n,
    );
  });

  test("reasoning is part of the output and charged once", async () => {
    const engine = await open({ budgets: [budgetOf("tokens", { unit: "tokens" })] });
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    const usage = { input: 20, output: 533, reasoning: 382 };
    const result = await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", usage },
      LOCAL,
    );
    expect(result.chargedNanoUsd).toBe(20n * 250n + 533n * 2_000n);
    expect((await engine.store.balances())[0]?.settled).toBe(553n);
    expect(() => checkUsage({ input: 20, output: 151, reasoning: 382 })).toThrow(
      "below its reasoning",
    );
  });

  test("a first empty figure does not freeze at zero", async () => {
    const engine = await open({ budgets: [budgetOf("day")] });
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    for (const sequence of [1, 2, 3])
      await engine.weir.report({ decisionId: id, sequence, usage: {} }, LOCAL);
    const usage = { input: 11, output: 7 };
    await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", sequence: 4, usage },
      LOCAL,
    );
    const again = await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", sequence: 4, usage },
      LOCAL,
    );
    expect(again).toMatchObject({ chargedNanoUsd: 11n * 250n + 7n * 2_000n, status: "duplicate" });
    expect(Object.values(await dumpBalances(engine.store))).toEqual(["held 0, settled 16750"]);
  });

  test("an explicit zero of the provider is zero, and no estimate replaces it", async () => {
    const engine = await open({ budgets: [budgetOf("day")] });
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    const zero = { input: 0, output: 0 };
    await engine.weir.report(
      { basis: "provider", decisionId: id, sequence: 1, usage: zero },
      LOCAL,
    );
    const estimated = {
      basis: "estimated",
      decisionId: id,
      sequence: 2,
      usage: { input: 0, output: 100 },
    };
    expect(await engine.weir.report(estimated, LOCAL)).toMatchObject({
      chargedNanoUsd: 0n,
      status: "superseded",
    });
    const final = {
      basis: "provider",
      decisionId: id,
      final: true,
      outcome: "truncated",
      sequence: 3,
      usage: zero,
    };
    expect(await engine.weir.report(final, LOCAL)).toMatchObject({
      chargedNanoUsd: 0n,
      status: "settled",
    });
    expect(await dumpBalances(engine.store)).toEqual({});
  });
});

describe("many checks of one request", () => {
  test("as its body fills: one decision and one hold", async () => {
    const engine = await open({ budgets: [budgetOf("day")] });
    const answers = [];
    for (let count = 0; count < 7; count += 1)
      answers.push(await engine.weir.decide(intentOf("request-1"), LOCAL));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(Object.values(await dumpBalances(engine.store))).toEqual(["held 1250000, settled 0"]);
  });
});

describe("a rolling window is neither reset by its calls nor forgotten at its end", () => {
  test("1,000 tokens in 60 s, 10 each second for 300 s: never stopped", async () => {
    const engine = await open({
      budgets: [
        budgetOf("rolling", {
          limit: 1_000,
          unit: "tokens",
          window: { kind: "rolling", seconds: 60 },
        }),
      ],
    });
    for (let second = 0; second < 300; second += 1) {
      engine.clock.advance(1_000);
      const tokens = { input: 5, outputMax: 5 };
      const decision = await engine.weir.decide(intentOf(`s${second}`, { tokens }), LOCAL);
      expect(decision.effect, `second ${second}`).toBe("allow");
      const usage = { input: 5, output: 5 };
      await engine.weir.report(
        { decisionId: decision.id, final: true, outcome: "ok", usage },
        LOCAL,
      );
    }
  });

  test("10 an hour; 1 at 0:00, 8 at 0:59, 9 at 1:01: two go, seven do not", async () => {
    const engine = await open({
      budgets: [
        budgetOf("rolling", {
          limit: 10,
          unit: "calls",
          window: { kind: "rolling", seconds: 3_600 },
        }),
      ],
    });
    const calls = async (name: string, count: number) => {
      const decisions: Decision[] = [];
      for (let call = 0; call < count; call += 1) {
        decisions.push(await engine.weir.decide(intentOf(`${name}-${call}`), LOCAL));
      }
      return effects(decisions);
    };
    expect(await calls("first", 1)).toEqual({ allow: 1 });
    engine.clock.advance(59 * 60_000);
    expect(await calls("second", 8)).toEqual({ allow: 8 });
    engine.clock.advance(2 * 60_000);
    expect(await calls("third", 9)).toEqual({ allow: 2, block: 7 });
  });

  test("never more than the limit in any stretch as long as the window", async () => {
    const seconds = 90;
    const engine = await open({
      budgets: [
        budgetOf("rolling", { limit: 7, unit: "calls", window: { kind: "rolling", seconds } }),
      ],
    });
    const admittedMs: number[] = [];
    for (let call = 0; call < 400; call += 1) {
      engine.clock.advance(((call * 7_919) % 13) * 1_000);
      const decision = await engine.weir.decide(intentOf(`c${call}`), LOCAL);
      if (decision.effect === "allow") admittedMs.push(engine.clock.nowMs());
    }
    expect(admittedMs.length).toBeGreaterThan(50);
    for (const [place, ms] of admittedMs.entries()) {
      const earlier = admittedMs[place - 7];
      if (earlier !== undefined) expect(ms - earlier).toBeGreaterThanOrEqual(seconds * 1_000);
    }
  });
});
