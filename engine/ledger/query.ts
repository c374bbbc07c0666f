import type { DecisionFacts } from "./decision-facts.ts";
import type { CostLayer } from "./cost-layer.ts";
import type { Dimension, LedgerEntry, LedgerKind, PriceRow, TokenCounts } from "./ledger-entry.ts";

/** Which entries are meant. Times are those they are counted at. */
export interface EntryFilter {
  /** Tenants whose entries may be seen; null: every one. */
  readonly tenants: readonly string[] | null;
  /** Values accepted by dimension; one of them has to fit. */
  readonly dimensions: Readonly<Partial<Record<Dimension, readonly string[]>>>;
  /** Empty: every kind. */
  readonly kinds: readonly LedgerKind[];
  /** From, included, epoch ms. */
  readonly fromMs: number;
  /** To, excluded, epoch ms. */
  readonly toMs: number;
}

/** Place of an entry in a list; the next page begins after it. */
export interface EntryKey {
  readonly bookedMs: number;
  readonly writer: string;
  readonly sequence: number;
  readonly part: number;
}

export interface ListQuery {
  readonly filter: EntryFilter;
  /** "": any. */
  readonly run: string;
  readonly decisionId: string;
  readonly oldestFirst: boolean;
  readonly after: EntryKey | null;
  readonly limit: number;
}

export const BUCKETS = ["none", "hour", "day", "month"] as const;
export type Bucket = (typeof BUCKETS)[number];

export interface SummaryQuery {
  /** Times are whole hours. */
  readonly filter: EntryFilter;
  readonly groupBy: readonly Dimension[];
  readonly bucket: Bucket;
  /** Reads every entry instead of the kept sums; the result is the same. */
  readonly scan: boolean;
}

/** Sums of one group, or of all. */
export interface Sums {
  readonly entries: number;
  readonly costPicoUsd: bigint;
  /** Calls that were charged. */
  readonly calls: number;
  /** Of those, reported as gone well. */
  readonly okCalls: number;
  readonly tokens: TokenCounts;
  /** Holds that began. */
  readonly reserved: number;
  /** Holds that ended without a report, and what was charged for them. */
  readonly expired: number;
  readonly expiredPicoUsd: bigint;
}

export interface SummaryRow extends Sums {
  readonly group: Readonly<Partial<Record<Dimension, string>>>;
  /** Start of the bucket, epoch ms; 0 without buckets. */
  readonly bucketMs: number;
}

export interface Summary {
  readonly rows: readonly SummaryRow[];
  readonly total: Sums;
  /** Of the total: what no price was found for, and what names no team. */
  readonly unpriced: Sums;
  readonly unattributed: Sums;
  /** Of the total's cost, what names a value, by attribution field. */
  readonly covered: readonly { readonly field: Dimension; readonly costPicoUsd: bigint }[];
}

/** A run's cost by layer. */
export interface RunCost {
  readonly run: string;
  readonly tenant: string;
  readonly decisions: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly total: Sums;
  readonly layers: readonly ({ readonly layer: CostLayer | "" } & Sums)[];
  /** Cost of its first inference call that cost anything; 0n: there is none. */
  readonly firstInferencePicoUsd: bigint;
}

/** A closed month. */
export interface Period {
  readonly tenant: string;
  readonly month: string;
  readonly closedMs: number;
  readonly actor: string;
  readonly reason: string;
  /** What it came to when it was closed. */
  readonly costPicoUsd: bigint;
  readonly entries: number;
}

/** Sum of postings of one budget instance. */
export interface PostedBalance {
  readonly instance: string;
  readonly budget: string;
  readonly unit: string;
  readonly held: bigint;
  readonly settled: bigint;
}

/** How far the store has come with one writer's log. */
export interface WriterPosition {
  readonly writer: string;
  readonly sequence: number;
  /** Time of that line, epoch ms. */
  readonly atMs: number;
}

/**
 * The ledger as it can be asked: derived from the log, behind it by what has not been taken in yet.
 * Every call first takes in what the node's own log holds. A store that does not answer is
 * `ledger.unavailable`.
 */
export interface QueryStore {
  list(query: ListQuery): Promise<readonly LedgerEntry[]>;
  decision(id: string): Promise<DecisionFacts | null>;
  /** Decisions of a run in the order they were made. */
  decisionsOf(tenants: readonly string[] | null, run: string): Promise<readonly DecisionFacts[]>;
  summarize(query: SummaryQuery): Promise<Summary>;
  run(tenant: string, run: string): Promise<RunCost | null>;
  periods(tenants: readonly string[] | null): Promise<readonly Period[]>;
  /** Whether an import of this source and id was taken in before. */
  isImported(source: string, id: string): Promise<boolean>;
  balances(): Promise<readonly PostedBalance[]>;
  /** Rows of price books that entries name. */
  priceRows(): Promise<readonly PriceRow[]>;
  positions(): Promise<readonly WriterPosition[]>;
}
