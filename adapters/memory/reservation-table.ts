import type { Decision } from "../../engine/decision/decision.ts";
import type { Basis } from "../../engine/ledger/entry.ts";
import type { ReservationState } from "../../engine/reservation/lifecycle.ts";
import type { Hold, RunStep } from "../../engine/reservation/reservation.ts";
import type { ScopeMark } from "./scope-table.ts";

/** Everything the store keeps of one decision until it is forgotten. */
export interface Reservation {
  readonly decisionId: string;
  readonly tenant: string;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly contentDigest: string;
  readonly deadlineMs: number;
  readonly run: RunStep | null;
  readonly isRetry: boolean;
  /** Where velocity counted its attempt. */
  attempts: readonly ScopeMark[];
  state: ReservationState;
  decision: Decision | null;
  /** Budgets of the model asked for. */
  readonly asked: readonly Hold[];
  /** Budgets it falls under; their `amount` is what was held at admission. */
  holds: readonly Hold[];
  /** What is still held and what was settled on each, parallel to `holds`. */
  held: bigint[];
  settled: bigint[];
  /** Held at present or in its life: it counts in velocity and run. */
  admitted: boolean;
  /** Where velocity counted it; empty if it was not admitted. */
  marks: readonly ScopeMark[];
  /** Cost counted by velocity and run, nano-USD. */
  counted: number;
  /** Last report taken. */
  sequence: number;
  digest: string;
  basis: Basis;
  costPicoUsd: bigint;
  chargedNanoUsd: bigint;
}

/** Whether the reservation still holds anything or may start to. */
export function isLive(reservation: Reservation): boolean {
  return reservation.state === "judging" || reservation.state === "open";
}
