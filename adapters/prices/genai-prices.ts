import type { PriceRowData } from "../../engine/policy/bundle-data.ts";
import {
  type ImportedPrices,
  type ImportOptions,
  isWanted,
  type Leftover,
  type Prices,
  UnfitPriceError,
  wholeMicroUsd,
} from "./imported-rows.ts";

/** A provider of genai-prices' data, version 2, as far as it is read. */
export interface GenaiProvider {
  readonly id: string;
  readonly models: readonly GenaiModel[];
}

interface GenaiModel {
  readonly id: string;
  readonly prices: GenaiPrices | readonly DatedPrices[];
}

interface DatedPrices {
  readonly constraint?: { readonly type?: string; readonly start_date?: string };
  readonly prices: GenaiPrices;
}

/** USD per million tokens, the same for every call or more above so many input tokens. */
type GenaiPrice = number | { readonly base: number; readonly tiers: readonly Tier[] };
interface Tier {
  readonly start: number;
  readonly price: number;
}
type GenaiPrices = Readonly<Record<string, GenaiPrice | undefined>>;

const CLASSES: Readonly<Record<keyof Prices, string>> = {
  cache_read: "cache_read_mtok",
  cache_write_1h: "cache_write_1h_mtok",
  cache_write_5m: "cache_write_mtok",
  input: "input_mtok",
  output: "output_mtok",
  reasoning: "reasoning_mtok",
};
/** USD per million tokens to micro-USD. */
const POWER = 6;

/** The prices of providers as rows; `source` is what the rows name as theirs. */
export function fromGenaiPrices(
  providers: readonly GenaiProvider[],
  source: string,
  options: ImportOptions,
): ImportedPrices {
  const rows: PriceRowData[] = [];
  const leftovers: Leftover[] = [];
  for (const { id: provider, models } of providers) {
    for (const { id, prices } of models) {
      const model = `${provider}:${id}`;
      if (!isWanted(model, options)) continue;
      try {
        rows.push(...rowsOf(model, prices, source, options.since));
        const others = otherPrices(prices);
        if (others !== "") leftovers.push({ model, taken: true, why: `without ${others}` });
      } catch (thrown) {
        if (!(thrown instanceof UnfitPriceError)) throw thrown;
        leftovers.push({ model, taken: false, why: thrown.message });
      }
    }
  }
  return { leftovers, rows };
}

function rowsOf(
  model: string,
  prices: GenaiModel["prices"],
  source: string,
  since: string,
): readonly PriceRowData[] {
  if (!Array.isArray(prices)) {
    return bandsOf(model, prices as GenaiPrices, { from: since, source, to: null });
  }
  const dated = (prices as readonly DatedPrices[]).map(({ constraint, prices: of }) => {
    if (constraint === undefined) return { from: since, of };
    const { start_date: start, type } = constraint;
    if (start !== undefined) return { from: start > since ? start : since, of };
    throw new UnfitPriceError(`a price that depends on ${type ?? "something unknown"}`);
  });
  // The latest of those that begin on one day is the one that holds.
  const starts = dated.filter(({ from }, index) => dated[index + 1]?.from !== from);
  return starts.flatMap(({ from, of }, index) =>
    bandsOf(model, of, { from, source, to: starts[index + 1]?.from ?? null }),
  );
}

type Span = Pick<PriceRowData, "from" | "source" | "to">;

/** A row for every number of input tokens at which a price changes. */
function bandsOf(model: string, prices: GenaiPrices, span: Span): readonly PriceRowData[] {
  const starts = Object.values(CLASSES).flatMap((name) => {
    const price = prices[name];
    return typeof price === "object" ? price.tiers.map(({ start }) => start) : [];
  });
  const thresholds = [...new Set([0, ...starts])].toSorted((one, other) => one - other);
  return thresholds.map((above) => ({
    above_tokens: above,
    ...span,
    micro_usd_per_mtok: pricesAbove(model, prices, above),
    model,
    tier: "standard",
    ...requestPrice(prices),
  }));
}

function pricesAbove(model: string, prices: GenaiPrices, above: number): Prices {
  const found: Partial<Record<keyof Prices, number>> = {};
  for (const [name, theirs] of Object.entries(CLASSES) as [keyof Prices, string][]) {
    const price = prices[theirs];
    if (price !== undefined) found[name] = wholeMicroUsd(theirs, priceAbove(price, above), POWER);
  }
  const { input, output = isEmbedding(model) ? 0 : undefined } = found;
  if (input === undefined) throw new UnfitPriceError("no price of input tokens");
  if (output === undefined) throw new UnfitPriceError("no price of output tokens");
  return { ...found, input, output };
}

function priceAbove(price: GenaiPrice, above: number): number {
  if (typeof price === "number") return price;
  return price.tiers.findLast(({ start }) => start <= above)?.price ?? price.base;
}

/** USD per thousand requests to micro-USD per request. */
function requestPrice(prices: GenaiPrices): Pick<PriceRowData, "micro_usd_per_request"> {
  const price = prices["requests_kcount"];
  if (price === undefined) return {};
  return { micro_usd_per_request: wholeMicroUsd("requests_kcount", price, 3) };
}

const READ = new Set([...Object.values(CLASSES), "requests_kcount"]);

/** Prices of what a price book has no class for: audio, images, searches. */
function otherPrices(prices: GenaiModel["prices"]): string {
  const all = Array.isArray(prices) ? prices.map((one: DatedPrices) => one.prices) : [prices];
  const names = new Set(all.flatMap((one) => Object.keys(one)));
  return [...names].filter((name) => !READ.has(name)).join(", ");
}

/** What only embeds text puts nothing out. */
function isEmbedding(model: string): boolean {
  return /embed/.test(model);
}
