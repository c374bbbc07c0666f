import fc from "fast-check";
import type { PriceRowData } from "../policy/bundle-data.ts";
import { type Rates, ratesOf } from "./rates.ts";
import type { Usage } from "./usage.ts";

/** A row of a price book for tests: "test:model", standard, from 2026 on. */
export function priceRow(
  prices: PriceRowData["micro_usd_per_mtok"],
  other: Partial<PriceRowData> = {},
): PriceRowData {
  return {
    above_tokens: 0,
    from: "2026-01-01",
    micro_usd_per_mtok: prices,
    model: "test:model",
    source: "test",
    tier: "standard",
    to: null,
    ...other,
  };
}

const price = fc.integer({ max: 1_000_000_000, min: 0 });

/** Prices of any order: a cache read dearer than input, a row without cache prices. */
export const anyPrices: fc.Arbitrary<PriceRowData["micro_usd_per_mtok"]> = fc.record(
  {
    cache_read: price,
    cache_write_1h: price,
    cache_write_5m: price,
    input: price,
    output: price,
    reasoning: price,
  },
  { requiredKeys: ["input", "output"] },
);

/** One to three context thresholds, a price per request or none. */
export const anyRows: fc.Arbitrary<readonly PriceRowData[]> = fc
  .tuple(
    anyPrices,
    fc.array(fc.tuple(fc.integer({ max: 400_000, min: 1 }), anyPrices), { maxLength: 2 }),
    fc.integer({ max: 100_000, min: 0 }),
  )
  .map(([base, above, request]) => [
    priceRow(base, { micro_usd_per_request: request }),
    ...Array.from(new Map(above), ([tokens, prices]) => priceRow(prices, { above_tokens: tokens })),
  ]);

export const anyRates: fc.Arbitrary<Rates> = anyRows.map(ratesOf);

const part = fc.integer({ max: 200_000_000, min: 0 });

/** Usage as checkUsage lets it through. */
export const anyUsage: fc.Arbitrary<Usage> = fc
  .tuple(part, part, part, part, part, part)
  .map(([plain, cacheRead, cacheWrite5m, cacheWrite1h, visible, reasoning]) => ({
    cacheRead,
    cacheWrite1h,
    cacheWrite5m,
    input: plain + cacheRead + cacheWrite5m + cacheWrite1h,
    output: visible + reasoning,
    reasoning,
  }));
