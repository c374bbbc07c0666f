import { TOKEN_CLASSES, type TokenClass } from "../pricing/rates.ts";
import type { PostingRecord } from "../record/record.ts";

/** What happened to money, as the ledger tells it; the order is that of the stores' numbers. */
export const LEDGER_KINDS = [
  "reserved",
  "adjusted",
  "settled",
  "released",
  "expired",
  "corrected",
  "granted",
  "imported",
] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

/** Everything that entries can be filtered and summed by; the order is part of the stores' keys. */
export const DIMENSIONS = [
  "tenant",
  "team",
  "feature",
  "service",
  "user",
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
] as const;
export type Dimension = (typeof DIMENSIONS)[number];
/** "" where it is not known or does not apply; `priced` is "yes" or "no". */
export type Dimensions = Readonly<Record<Dimension, string>>;

/** Tokens by class, disjoint; in entries the change of each. */
export type TokenCounts = Readonly<Record<TokenClass, number>>;

export const NO_TOKENS: TokenCounts = Object.freeze(
  Object.fromEntries(TOKEN_CLASSES.map((name) => [name, 0])) as Record<TokenClass, number>,
);

/** Where an entry comes from: unique, and the same however often its line is read. */
export interface Place {
  /** Who wrote the line. */
  readonly writer: string;
  /** Number of the line in that writer's log, from 1. */
  readonly sequence: number;
}

/**
 * A line of the ledger. Figures are changes: what an entry adds to the sum of those before it, so
 * that the sum of all entries is what was spent. A `reserved` entry spends nothing yet.
 */
export interface LedgerEntry extends Place {
  /** Entries of one line are numbered from 0. */
  readonly part: number;
  readonly id: string;
  readonly kind: LedgerKind;
  /** "" where no decision is behind it. */
  readonly decisionId: string;
  readonly run: string;
  /** When it happened, epoch ms. */
  readonly atMs: number;
  /** The time it is counted at: `atMs`, or, where that month was closed already, when it was booked. */
  readonly bookedMs: number;
  readonly dimensions: Dimensions;
  /** Exact. */
  readonly costPicoUsd: bigint;
  readonly tokens: TokenCounts;
  /** 1 on the first entry that charges a call. */
  readonly calls: number;
  /** 1 on the entry by which a call was reported as gone well. */
  readonly okCalls: number;
  readonly detail: EntryDetail;
}

/** What only a look at the single entry tells. */
export interface EntryDetail {
  readonly postings: readonly PostingRecord[];
  /** "forced", "open", "late", "overrun", "unpriced", "other_model", "partial", "reversal", "closed_month". */
  readonly flags: readonly string[];
  /** Most it could cost, for `reserved`; pico-USD as decimal string. */
  readonly ceiling_pico_usd?: string;
  readonly outcome?: string;
  readonly step?: number;
  /** `adjusted`: the model the hold was taken from. */
  readonly from_model?: string;
  /** `granted`: budget, how much in `unit`, and until when. */
  readonly grant?: {
    readonly actor: string;
    readonly amount: string;
    readonly budget: string;
    readonly reason: string;
    readonly unit: string;
    readonly until_ms: number;
  };
  /** `imported`: the event it came as. */
  readonly event?: {
    readonly description: string;
    readonly id: string;
    readonly quantity: string;
    readonly source: string;
    readonly unit: string;
  };
}

/** The prices that a class of tokens was charged at, kept beside the entries for exports. */
export interface PriceRow {
  /** Digest of the price book. */
  readonly book: string;
  /** Id of the row, with its context threshold. */
  readonly id: string;
  /** micro-USD per million tokens, by class. */
  readonly microUsdPerMtok: Readonly<Record<TokenClass, number>>;
  /** The same before a contract's discount. */
  readonly listMicroUsdPerMtok: Readonly<Record<TokenClass, number>>;
  readonly requestPicoUsd: bigint;
  readonly source: string;
}
