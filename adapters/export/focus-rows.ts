import { TOKEN_CLASSES, type TokenClass } from "../../engine/pricing/rates.ts";
import type { weir } from "../../proto/gen/weir.js";
import type { CostLayer } from "../../engine/ledger/cost-layer.ts";
import { type Dimension, type Dimensions } from "../../engine/ledger/ledger-entry.ts";

/** Fields that a FOCUS row is about: every one but the person. */
export const FOCUS_FIELDS: readonly Dimension[] = [
  "tenant",
  "team",
  "feature",
  "service",
  "cost_center",
  "environment",
  "customer",
  "principal",
  "asked_model",
  "model",
  "provider",
  "operation",
  "service_tier",
  "layer",
  "basis",
  "priced",
  "price_row",
  "price_book",
  "bundle",
];

/** What a row counts: tokens of one class, requests, or a cost that is known as a whole only. */
export type Meter = TokenClass | "requests" | "whole";

/**
 * One charge: a meter of one group in one hour or day. Amounts are exact, in 10^12th parts. The price
 * times the quantity is the cost.
 */
export interface FocusRow {
  readonly fields: Readonly<Record<(typeof FOCUS_FIELDS)[number], string>>;
  readonly layer: CostLayer | "";
  readonly fromMs: number;
  readonly toMs: number;
  readonly meter: Meter;
  /** In `PricingUnit`: millions of tokens, requests, or 1. */
  readonly quantity: bigint;
  readonly listPrice: bigint;
  readonly contractedPrice: bigint;
  readonly listCost: bigint;
  readonly contractedCost: bigint;
  /** Tokens or requests. */
  readonly consumed: bigint;
  /** Calls of the group, on the first of its rows; 0 on the others, so that they can be summed. */
  readonly calls: bigint;
}

const ONE = 1_000_000_000_000n;
/** 10^12th parts of a million tokens in one token, and of a dollar in a micro-USD. */
const MILLIONTH = 1_000_000n;

/** A sum of the ledger as charges, whose costs are its cost to the unit. */
export function focusRows(
  { bucketMs, fields, sums }: weir.v1.LedgerGroup,
  spanMs: number,
  priceRows: ReadonlyMap<string, weir.v1.LedgerPriceRow>,
): readonly FocusRow[] {
  const known = Object.fromEntries(FOCUS_FIELDS.map((name) => [name, fields[name] ?? ""]));
  const base = {
    fields: known as Dimensions,
    fromMs: Number(bucketMs),
    layer: (fields["layer"] ?? "") as CostLayer | "",
    toMs: Number(bucketMs) + spanMs,
  };
  const cost = BigInt(sums?.costPicoUsd ?? "0");
  const calls = BigInt(sums?.calls ?? 0);
  const prices = priceRows.get(priceKey(fields["price_book"], fields["price_row"]));
  const tokens = tokensOf(sums?.tokens ?? null);
  const metered = prices === undefined ? [] : TOKEN_CLASSES.filter((name) => tokens[name] !== 0n);
  const rows: Omit<FocusRow, "calls">[] = metered.map((meter) => {
    const count = tokens[meter];
    const price = BigInt(prices?.microUsdPerMtok[meter] ?? 0);
    const list = BigInt(prices?.listMicroUsdPerMtok[meter] ?? 0);
    return {
      ...base,
      consumed: count,
      contractedCost: count * price,
      contractedPrice: price * MILLIONTH,
      listCost: count * list,
      listPrice: list * MILLIONTH,
      meter,
      quantity: count * MILLIONTH,
    };
  });
  const rest = cost - rows.reduce((sum, { contractedCost }) => sum + contractedCost, 0n);
  const request = BigInt(prices?.requestPicoUsd ?? "0");
  if (rest !== 0n && request !== 0n && rest % request === 0n) {
    rows.push({ ...base, ...atOnce(rest, request, "requests") });
  } else if (rest !== 0n || (rows.length === 0 && calls !== 0n)) {
    rows.push({ ...base, ...atOnce(rest, rest, "whole") });
  }
  return rows.map((row, index) => ({ ...row, calls: index === 0 ? calls : 0n }));
}

/** A cost that consists of so many times a price. */
function atOnce(cost: bigint, price: bigint, meter: "requests" | "whole") {
  const count = cost === 0n ? 1n : cost / price;
  return {
    consumed: count,
    contractedCost: cost,
    contractedPrice: price,
    listCost: cost,
    listPrice: price,
    meter,
    quantity: count * ONE,
  };
}

/** The name of a row of a price book among those of all books. */
export function priceKey(book: string | undefined, row: string | undefined): string {
  return `${book ?? ""} ${row ?? ""}`;
}

function tokensOf(tokens: weir.v1.TokenCounts | null): Readonly<Record<TokenClass, bigint>> {
  return {
    cache_read: BigInt(tokens?.cacheRead ?? 0),
    cache_write_1h: BigInt(tokens?.cacheWrite_1h ?? 0),
    cache_write_5m: BigInt(tokens?.cacheWrite_5m ?? 0),
    input: BigInt(tokens?.input ?? 0),
    output: BigInt(tokens?.output ?? 0),
    reasoning: BigInt(tokens?.reasoning ?? 0),
  };
}
