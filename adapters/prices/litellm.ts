import type { ServiceTier } from "../../engine/intent/intent.ts";
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

/** LiteLLM's map of models, as far as it is read: costs are USD per token. */
export type LitellmPrices = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Providers that are called otherwise there. */
const PROVIDERS: Readonly<Record<string, string>> = {
  bedrock_converse: "bedrock",
  gemini: "google",
};
const CLASSES: Readonly<Record<keyof Prices, string>> = {
  cache_read: "cache_read_input_token_cost",
  cache_write_1h: "cache_creation_input_token_cost_above_1hr",
  cache_write_5m: "cache_creation_input_token_cost",
  input: "input_cost_per_token",
  output: "output_cost_per_token",
  reasoning: "output_cost_per_reasoning_token",
};
const TIERS: readonly (readonly [ServiceTier, suffix: string])[] = [
  ["standard", ""],
  ["batch", "_batches"],
  ["flex", "_flex"],
  ["priority", "_priority"],
];
/** Above how many input tokens a price changes, by what its name ends in. */
const THRESHOLDS: readonly (readonly [above: number, suffix: string])[] = [
  [0, ""],
  [128_000, "_above_128k_tokens"],
  [200_000, "_above_200k_tokens"],
  [272_000, "_above_272k_tokens"],
];
/** USD per token to micro-USD per million tokens. */
const POWER = 12;
/** Kinds of models that are charged by the token. */
const MODES = new Set(["chat", "completion", "embedding", "responses"]);

/** LiteLLM's prices as rows; it has no dates, so they hold from `options.since` on. */
export function fromLitellm(
  prices: LitellmPrices,
  source: string,
  options: ImportOptions,
): ImportedPrices {
  const rows = new Map<string, readonly PriceRowData[]>();
  const leftovers: Leftover[] = [];
  for (const [name, entry] of Object.entries(prices)) {
    const provider = entry["litellm_provider"];
    if (name === "sample_spec" || typeof provider !== "string") continue;
    const model = `${PROVIDERS[provider] ?? provider}:${name.slice(name.lastIndexOf("/") + 1)}`;
    if (!isWanted(model, options)) continue;
    try {
      const found = rowsOf(model, entry, source, options.since);
      const before = rows.get(model);
      // Which of them a call would mean cannot be told, so neither is a price.
      if (before !== undefined && JSON.stringify(before) !== JSON.stringify(found)) {
        rows.set(model, []);
        throw new UnfitPriceError(`${name} has another price than a model of the same name`);
      }
      rows.set(model, found);
      const others = otherPrices(entry);
      if (others !== "") leftovers.push({ model, taken: true, why: `without ${others}` });
    } catch (thrown) {
      if (!(thrown instanceof UnfitPriceError)) throw thrown;
      leftovers.push({ model, taken: false, why: thrown.message });
    }
  }
  return { leftovers, rows: [...rows.values()].flat() };
}

function rowsOf(
  model: string,
  entry: Readonly<Record<string, unknown>>,
  source: string,
  since: string,
): readonly PriceRowData[] {
  const { mode = "chat" } = entry;
  if (typeof mode !== "string" || !MODES.has(mode)) {
    throw new UnfitPriceError(`its mode is ${JSON.stringify(mode)}`);
  }
  const rows = TIERS.flatMap(([tier, ofTier]) =>
    THRESHOLDS.flatMap(([above, ofBand]): readonly PriceRowData[] => {
      const suffix = ofBand + ofTier;
      if (entry[CLASSES.input + suffix] === undefined) return [];
      const prices = pricesOf(entry, suffix, mode === "embedding");
      return [
        {
          above_tokens: above,
          from: since,
          micro_usd_per_mtok: prices,
          model,
          source,
          tier,
          to: null,
        },
      ];
    }),
  );
  const hasBase = (tier: ServiceTier): boolean =>
    rows.some((row) => row.tier === tier && row.above_tokens === 0);
  if (!hasBase("standard")) throw new UnfitPriceError("no price of input tokens");
  return rows.filter(({ tier }) => hasBase(tier));
}

const READ = new Set(
  TIERS.flatMap(([, ofTier]) =>
    THRESHOLDS.flatMap(([, ofBand]) =>
      Object.values(CLASSES).map((name) => name + ofBand + ofTier),
    ),
  ),
);

/** Costs of what a price book has no class for: audio, images, searches, other thresholds. */
function otherPrices(entry: Readonly<Record<string, unknown>>): string {
  const costs = Object.keys(entry).filter((name) => /cost/.test(name) && !READ.has(name));
  return costs.join(", ");
}

function pricesOf(
  entry: Readonly<Record<string, unknown>>,
  suffix: string,
  isEmbedding: boolean,
): Prices {
  const found: Partial<Record<keyof Prices, number>> = {};
  for (const [name, theirs] of Object.entries(CLASSES) as [keyof Prices, string][]) {
    const price = entry[theirs + suffix];
    if (price !== undefined && price !== null)
      found[name] = wholeMicroUsd(theirs + suffix, price, POWER);
  }
  const { input, output = isEmbedding ? 0 : undefined } = found;
  if (input === undefined) throw new UnfitPriceError("no price of input tokens");
  if (output === undefined) throw new UnfitPriceError(`no price of output tokens${suffix}`);
  return { ...found, input, output };
}
