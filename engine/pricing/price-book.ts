import { WeirError } from "../errors.ts";
import type { ServiceTier } from "../intent/intent.ts";
import type { PriceBookData, PriceRowData } from "../policy/bundle-data.ts";
import { checkPriceBook } from "./price-rows.ts";
import { type Rates, ratesOf } from "./rates.ts";

/** The prices of a bundle, checked and prepared. */
export interface PriceBook {
  readonly version: string;
  /**
   * The rates in effect at `nowMs` (epoch ms; prices change at 00:00 UTC), or null if the model has
   * no price then. A tier without a row then is priced as "standard", and the rates say so.
   */
  rates(model: string, tier: ServiceTier, nowMs: number): Rates | null;
  /** Whether the model has a price of its own for this tier at `nowMs` (epoch ms). */
  offers(model: string, tier: ServiceTier, nowMs: number): boolean;
}

/**
 * Checks a price book and prepares it for the decide path. Throws `bundle.invalid` whose violations
 * name every wrong path and value. A price of 0 is a price: the call is free, not unpriced.
 */
export function openPriceBook(data: PriceBookData): PriceBook {
  const violations = checkPriceBook(data);
  const [first] = violations;
  if (first !== undefined) {
    const more = violations.length === 1 ? "" : ` (and ${violations.length - 1} more)`;
    const message = `price book refused: ${first.field}: ${first.description}${more}`;
    throw new WeirError("bundle.invalid", message, { violations });
  }
  const models = new Map<string, Map<ServiceTier, readonly Period[]>>();
  for (const [model, rows] of Map.groupBy(data.rows, (row) => row.model)) {
    const tiers = new Map<ServiceTier, readonly Period[]>();
    for (const [tier, ofTier] of Map.groupBy(rows, (row) => row.tier))
      tiers.set(tier, periods(ofTier));
    models.set(model, tiers);
  }
  return {
    offers: (model, tier, nowMs) => ratesAt(models.get(model)?.get(tier), nowMs) !== null,
    rates(model, tier, nowMs) {
      const tiers = models.get(model);
      if (tiers === undefined) return null;
      const rates = ratesAt(tiers.get(tier), nowMs);
      return rates === null && tier !== "standard" ? ratesAt(tiers.get("standard"), nowMs) : rates;
    },
    version: data.version,
  };
}

/** Days between two changes of a model's tier, with the rates in effect: [fromMs, toMs). */
interface Period {
  readonly fromMs: number;
  readonly toMs: number;
  readonly rates: Rates;
}

/** The newest period first: that is the one asked for. */
function periods(rows: readonly PriceRowData[]): readonly Period[] {
  const changes = new Set<number>();
  for (const row of rows) changes.add(dayMs(row.from)).add(endMs(row));
  const days = [...changes].toSorted((one, other) => other - one);
  const found: Period[] = [];
  for (const [place, fromMs] of days.entries()) {
    const inEffect = rows.filter((row) => dayMs(row.from) <= fromMs && fromMs < endMs(row));
    const toMs = days[place - 1];
    if (inEffect.length > 0 && toMs !== undefined)
      found.push({ fromMs, rates: ratesOf(inEffect), toMs });
  }
  return found;
}

function ratesAt(timeline: readonly Period[] | undefined, nowMs: number): Rates | null {
  if (timeline === undefined) return null;
  for (const { fromMs, rates, toMs } of timeline) {
    if (fromMs <= nowMs && nowMs < toMs) return rates;
  }
  return null;
}

function endMs(row: PriceRowData): number {
  return row.to === null ? Number.POSITIVE_INFINITY : dayMs(row.to);
}

function dayMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}
