import { bandFor, type Rates, TOKEN_CLASSES, type TokenClass } from "./rates.ts";
import type { Usage } from "./usage.ts";

/** What the tokens of one class cost. */
export interface PricedClass {
  readonly tokens: number;
  readonly microUsdPerMtok: bigint;
  readonly costPicoUsd: bigint;
}

/** The exact cost of one call: the classes and the request add up to the whole. */
export interface PricedUsage {
  readonly costPicoUsd: bigint;
  /** Row of the price book that was applied. */
  readonly rowId: string;
  /** Disjoint: "input" is what was neither read from nor written to a cache, "output" not reasoning. */
  readonly classes: Readonly<Record<TokenClass, PricedClass>>;
  readonly requestPicoUsd: bigint;
}

/**
 * Prices checked usage. The context threshold is judged by the whole input. The price per request, if
 * there is one, is charged whatever the usage: do not price a call that never reached the provider.
 */
export function priceUsage(usage: Usage, rates: Rates): PricedUsage {
  const band = bandFor(rates, usage.input);
  const tokens = disjointTokens(usage);
  const priced = (name: TokenClass): PricedClass => ({
    costPicoUsd: BigInt(tokens[name]) * band.price[name],
    microUsdPerMtok: band.price[name],
    tokens: tokens[name],
  });
  const classes: Readonly<Record<TokenClass, PricedClass>> = {
    cache_read: priced("cache_read"),
    cache_write_1h: priced("cache_write_1h"),
    cache_write_5m: priced("cache_write_5m"),
    input: priced("input"),
    output: priced("output"),
    reasoning: priced("reasoning"),
  };
  let costPicoUsd = band.requestPicoUsd;
  for (const name of TOKEN_CLASSES) costPicoUsd += classes[name].costPicoUsd;
  return { classes, costPicoUsd, requestPicoUsd: band.requestPicoUsd, rowId: band.id };
}

function disjointTokens(usage: Usage): Readonly<Record<TokenClass, number>> {
  return {
    cache_read: usage.cacheRead,
    cache_write_1h: usage.cacheWrite1h,
    cache_write_5m: usage.cacheWrite5m,
    input: usage.input - usage.cacheRead - usage.cacheWrite5m - usage.cacheWrite1h,
    output: usage.output - usage.reasoning,
    reasoning: usage.reasoning,
  };
}
