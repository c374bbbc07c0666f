import type { ServiceTier } from "../intent/intent.ts";
import { priceUsage } from "../pricing/actual.ts";
import type { PriceBook } from "../pricing/price-book.ts";
import { bandFor, type RateBand, TOKEN_CLASSES } from "../pricing/rates.ts";
import type { Usage } from "../pricing/usage.ts";
import type { EntryRecord } from "../record/record.ts";
import type { Charged, DecisionFacts, PendingReport } from "./decision-facts.ts";
import { NO_TOKENS, type PriceRow, type TokenCounts } from "./ledger-entry.ts";

/** The price book of a bundle, with its digest. */
export interface BookOfBundle {
  readonly digest: string;
  readonly book: PriceBook;
}

/** Price books by the digest of their bundle; null where the bundle is gone. */
export type PriceBooks = (bundleDigest: string) => BookOfBundle | null;

/** What a call has been charged once an entry's report is posted, and the price row it rests on. */
export interface PricedCharge {
  readonly charged: Charged;
  readonly priceRow: PriceRow | null;
}

/**
 * The charge that an entry leaves behind. Its classes are priced again from the bundle's own book; a
 * row is named only where that gives the recorded cost to the last unit.
 */
export function chargeOf(
  entry: EntryRecord,
  report: PendingReport | null,
  facts: DecisionFacts,
  books: PriceBooks,
): PricedCharge {
  const base: Charged = {
    ...facts.charged,
    cost_pico_usd: entry.cost_pico_usd,
    sequence: entry.state_sequence,
  };
  if (report === null) return { charged: withoutReport(base, facts), priceRow: null };
  const usage = usageOf(report);
  const row = pricedRow(report, usage, facts, books);
  const [model, tier] = rowParts(report.price_row);
  const charged: Charged = {
    ...base,
    basis: report.basis,
    model: report.model || facts.model || facts.asked_model || model,
    ok: report.outcome === "ok",
    price_book: row?.book ?? "",
    price_row: row?.id ?? "",
    priced: entry.flags.includes("unpriced") ? "no" : "yes",
    service_tier: tier || facts.service_tier,
    tokens: tokensOf(usage),
  };
  return { charged, priceRow: row };
}

/** An end that charges without a report charges what was held or expected, so an estimate; most charge nothing. */
function withoutReport(base: Charged, facts: DecisionFacts): Charged {
  if (base.model !== "" || base.cost_pico_usd === "0") return base;
  return {
    ...base,
    basis: "estimated",
    model: facts.model || facts.asked_model,
    service_tier: facts.service_tier,
    tokens: NO_TOKENS,
  };
}

function pricedRow(
  report: PendingReport,
  usage: Usage,
  facts: DecisionFacts,
  books: PriceBooks,
): PriceRow | null {
  if (report.price_row === "") return null;
  const found = books(facts.bundle);
  const [model, tier] = rowParts(report.price_row);
  const rates = found?.book.rates(model, tier as ServiceTier, facts.at_ms) ?? null;
  if (found === null || rates === null || rates.id !== report.price_row) return null;
  if (String(priceUsage(usage, rates).costPicoUsd) !== report.cost_pico_usd) return null;
  return rowOf(bandFor(rates, usage.input), found.digest);
}

function rowOf(band: RateBand, book: string): PriceRow {
  const prices = Object.fromEntries(TOKEN_CLASSES.map((name) => [name, Number(band.price[name])]));
  const price = prices as PriceRow["microUsdPerMtok"];
  return {
    book,
    id: band.id,
    listMicroUsdPerMtok: price,
    microUsdPerMtok: price,
    requestPicoUsd: band.requestPicoUsd,
    source: "",
  };
}

/** Model and tier of a row id, "openai:gpt-5@2025-08-07/standard". */
function rowParts(id: string): readonly [model: string, tier: string] {
  const match = /^(.*)@[^@/]*\/([^/]*)/s.exec(id);
  return [match?.[1] ?? "", match?.[2] ?? ""];
}

function usageOf({ usage }: PendingReport): Usage {
  const count = (name: string): number => usage[name] ?? 0;
  return {
    cacheRead: count("cache_read"),
    cacheWrite1h: count("cache_write_1h"),
    cacheWrite5m: count("cache_write_5m"),
    input: count("input"),
    output: count("output"),
    reasoning: count("reasoning"),
  };
}

function tokensOf(usage: Usage): TokenCounts {
  const { cacheRead, cacheWrite1h, cacheWrite5m, input, output, reasoning } = usage;
  return {
    cache_read: cacheRead,
    cache_write_1h: cacheWrite1h,
    cache_write_5m: cacheWrite5m,
    input: input - cacheRead - cacheWrite5m - cacheWrite1h,
    output: output - reasoning,
    reasoning,
  };
}
