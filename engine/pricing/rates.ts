import type { ServiceTier } from "../intent/intent.ts";
import type { PriceRowData } from "../policy/bundle-data.ts";

/** Kinds of tokens that may have a price of their own; disjoint when priced. */
export const TOKEN_CLASSES = [
  "input",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "output",
  "reasoning",
] as const;
export type TokenClass = (typeof TOKEN_CLASSES)[number];

/** Prices of one model and tier between two changes of the book. */
export interface Rates {
  /** Id of the base row, for the ledger: "openai:gpt-5@2025-08-07/standard". */
  readonly id: string;
  readonly model: string;
  /** Tier of the rows; "standard" where the book lacks the tier asked for. */
  readonly tier: ServiceTier;
  /** Ascending by `aboveTokens`; the first starts at 0. */
  readonly bands: readonly RateBand[];
}

/** Prices of calls with more than `aboveTokens` input tokens. */
export interface RateBand {
  /** Id of the row: that of the rates, with "/above-200000" for a context threshold. */
  readonly id: string;
  readonly aboveTokens: number;
  /** Micro-USD per million tokens; a class the row lacks has the price of its parent. */
  readonly price: Readonly<Record<TokenClass, bigint>>;
  /** Added once per call. */
  readonly requestPicoUsd: bigint;
}

/** The band a call falls into by its whole input, cached parts included. */
export function bandFor(rates: Rates, inputTokens: number): RateBand {
  let chosen = rates.bands[0] as RateBand;
  for (const band of rates.bands) {
    if (inputTokens > band.aboveTokens) chosen = band;
  }
  return chosen;
}

/** Rows in effect on the same days, base row among them, as rates. */
export function ratesOf(rows: readonly PriceRowData[]): Rates {
  const bands = rows.map(bandOf).toSorted((one, other) => one.aboveTokens - other.aboveTokens);
  const { model, tier } = rows[0] as PriceRowData;
  return { bands, id: (bands[0] as RateBand).id, model, tier };
}

const PICO_PER_MICRO = 1_000_000n;

function bandOf(row: PriceRowData): RateBand {
  const price = row.micro_usd_per_mtok;
  const threshold = row.above_tokens === 0 ? "" : `/above-${row.above_tokens}`;
  const write = price.cache_write_5m ?? price.input;
  return {
    aboveTokens: row.above_tokens,
    id: `${row.model}@${row.from}/${row.tier}${threshold}`,
    price: {
      cache_read: BigInt(price.cache_read ?? price.input),
      cache_write_1h: BigInt(price.cache_write_1h ?? write),
      cache_write_5m: BigInt(write),
      input: BigInt(price.input),
      output: BigInt(price.output),
      reasoning: BigInt(price.reasoning ?? price.output),
    },
    requestPicoUsd: BigInt(row.micro_usd_per_request ?? 0) * PICO_PER_MICRO,
  };
}
