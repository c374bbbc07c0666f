import type { Basis, Posting } from "../ledger/entry.ts";
import { LIMITS } from "../limits.ts";

/**
 * Life of a reservation. A hold ends exactly once; later charges are corrections and reopen nothing.
 *
 *   judging ──conclude──► open ──final report──► settled
 *      │                   ├──release, cancel──► released
 *      └──block, throttle──┴──deadline─────────► expired
 */
export type ReservationState = "judging" | "open" | "settled" | "released" | "expired";

/** How long a shared store keeps an ended reservation after its deadline, ms. */
export const ENDED_KEPT_MS = LIMITS.idempotencyGraceMs + 86_400_000;

/** A cumulative report, priced. */
export interface SettleRequest {
  readonly decisionId: string;
  readonly nowMs: number;
  readonly sequence: number;
  /** Digest of the report's figures, to tell a repeat from a conflict. */
  readonly digest: string;
  readonly final: boolean;
  readonly basis: Basis;
  readonly costPicoUsd: bigint;
  /** Charged to money budgets so far, nano-USD. */
  readonly chargedNanoUsd: bigint;
  readonly tokens: bigint;
}

export type SettleStatus =
  | "posted"
  | "settled"
  | "corrected"
  | "duplicate"
  | "superseded"
  | "conflict"
  | "unknown";

export interface SettleReply {
  readonly status: SettleStatus;
  readonly postings: readonly Posting[];
  /** "late", "overrun". */
  readonly flags: readonly string[];
  /** Cost posted so far. */
  readonly costPicoUsd: bigint;
  readonly chargedNanoUsd: bigint;
  readonly stateSequence: number;
}

/** How a reservation ended, or that it had ended before. */
export interface EndReply {
  readonly decisionId: string;
  /** False if nothing changed. */
  readonly ended: boolean;
  readonly state: ReservationState | "unknown";
  /** Its cost had been held, so the ledger knows it and wants to know its end. */
  readonly held: boolean;
  readonly postings: readonly Posting[];
  readonly costPicoUsd: bigint;
  readonly stateSequence: number;
}
