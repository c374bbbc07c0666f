/** What happened to the money of one decision. */
export type EntryKind = "reserved" | "settled" | "released" | "expired" | "corrected";

export type Unit = "nano_usd" | "tokens" | "calls";

/**
 * One change of one budget instance. For every instance the sum of postings equals the store's
 * balance whenever nothing is in flight.
 */
export interface Posting {
  /** Budget id. */
  readonly budget: string;
  /** Counter key of the instance (tenant, budget, definition digest, window start, per value). */
  readonly instance: string;
  readonly unit: Unit;
  readonly heldDelta: bigint;
  readonly settledDelta: bigint;
}

export type Basis = "provider" | "estimated";

/** A ledger line of money. */
export interface Entry {
  /** Decision id and transition, so that a repeated append is recognised. */
  readonly id: string;
  readonly kind: EntryKind;
  readonly decisionId: string;
  readonly atMs: number;
  /** Order in which the store made the change. */
  readonly stateSequence: number;
  /** Exact cost of the call so far, pico-USD; for "reserved" its ceiling. */
  readonly costPicoUsd: bigint;
  /** "forced", "open", "late", "overrun", "unpriced". */
  readonly flags: readonly string[];
  readonly postings: readonly Posting[];
}
