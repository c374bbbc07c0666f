import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { priceUsage } from "./actual.ts";
import { ratesOf } from "./rates.ts";
import type { Usage } from "./usage.ts";
import { anyRates, anyUsage, priceRow } from "./arbitraries.ts";

const PICO_PER_USD = 1_000_000_000_000n;
const none: Usage = {
  cacheRead: 0,
  cacheWrite1h: 0,
  cacheWrite5m: 0,
  input: 0,
  output: 0,
  reasoning: 0,
};

/** 5 USD per million input tokens with caches at 1.25, 2 and 0.1 times that, 25 per million output. */
const cached = ratesOf([
  priceRow({
    cache_read: 500_000,
    cache_write_1h: 10_000_000,
    cache_write_5m: 6_250_000,
    input: 5_000_000,
    output: 25_000_000,
  }),
]);

describe("priceUsage", () => {
  it("charges a cache write once, not as input again", () => {
    const input = 6 + 159_217;
    const priced = priceUsage({ ...none, cacheWrite5m: 159_217, input, output: 2_745 }, cached);
    // 1.06376125 USD; 1.85984625 if the write were charged as input too.
    expect(priced.costPicoUsd).toBe(1_063_761_250_000n);
    expect(priced.classes.input.tokens).toBe(6);
    expect(priced.classes.cache_write_5m.costPicoUsd).toBe(995_106_250_000n);
  });

  it("prices one-hour cache writes apart from five-minute ones", () => {
    const writes = { ...none, cacheWrite1h: 400_000, cacheWrite5m: 600_000, input: 1_000_000 };
    const priced = priceUsage(writes, cached);
    expect(priced.costPicoUsd).toBe((775n * PICO_PER_USD) / 100n);
    expect(priced.classes.cache_write_5m.costPicoUsd).toBe((375n * PICO_PER_USD) / 100n);
    expect(priced.classes.cache_write_1h.costPicoUsd).toBe(4n * PICO_PER_USD);
  });

  it("counts reasoning once, as output, unless it has a price of its own", () => {
    const usage = { ...none, input: 20, output: 533, reasoning: 382 };
    const same = ratesOf([priceRow({ input: 1_000_000, output: 2_000_000 })]);
    const apart = ratesOf([
      priceRow({ input: 1_000_000, output: 2_000_000, reasoning: 3_000_000 }),
    ]);
    expect(priceUsage(usage, same).costPicoUsd).toBe(20_000_000n + 533n * 2_000_000n);
    expect(priceUsage(usage, apart).costPicoUsd).toBe(
      20_000_000n + 151n * 2_000_000n + 382n * 3_000_000n,
    );
    expect(priceUsage(usage, same).classes.output.tokens).toBe(151);
  });

  it("judges the context threshold by the whole input, cache included", () => {
    const rates = ratesOf([
      priceRow({ input: 2, output: 4 }, { above_tokens: 200_000 }),
      priceRow({ input: 1, output: 3 }),
    ]);
    const at = (input: number): bigint =>
      priceUsage({ ...none, cacheRead: input, input, output: 1 }, rates).costPicoUsd;
    expect(at(200_000)).toBe(200_003n);
    expect(at(200_001)).toBe(400_006n);
    expect(priceUsage({ ...none, input: 200_001 }, rates).rowId).toBe(
      "test:model@2026-01-01/standard/above-200000",
    );
  });

  it("adds the price per request", () => {
    const rates = ratesOf([priceRow({ input: 0, output: 0 }, { micro_usd_per_request: 2_000 })]);
    expect(priceUsage(none, rates).costPicoUsd).toBe(2_000_000_000n);
  });

  it("costs nothing for nothing", () => {
    expect(priceUsage(none, cached).costPicoUsd).toBe(0n);
  });

  it("adds up: disjoint classes hold every token once, their costs are the cost", () => {
    fc.assert(
      fc.property(anyUsage, anyRates, (usage, rates) => {
        const { classes, costPicoUsd, requestPicoUsd } = priceUsage(usage, rates);
        const all = Object.values(classes);
        expect(all.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(usage.input + usage.output);
        expect(all.every(({ tokens }) => tokens >= 0)).toBe(true);
        const sum = all.reduce((total, entry) => total + entry.costPicoUsd, requestPicoUsd);
        expect(sum).toBe(costPicoUsd);
      }),
    );
  });
});
