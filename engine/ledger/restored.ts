import { postedNanoUsd, safeNumber } from "../money.ts";
import {
  type DecisionRecord,
  type EntryRecord,
  firstInput,
  type ReportRecord,
  type StoredDecision,
} from "../record/record.ts";
import { holdOf } from "../record/write.ts";
import { ENDED_KEPT_MS, type ReservationState } from "../reservation/lifecycle.ts";
import type { Hold } from "../reservation/reservation.ts";
import type { Basis } from "./entry.ts";
import { reportEntryId } from "./settle.ts";

/** A reservation as its log lines left it, for a store that has forgotten it. */
export interface RestoredReservation {
  readonly admitted: boolean;
  readonly holds: readonly Hold[];
  /**
   * What is still held and what was settled on each, parallel to `holds`; empty if nothing ever was held. A
   * store that has forgotten a reservation holds nothing for it: it was ended, if by another node, or its
   * balances were lost with it.
   */
  readonly held: bigint[];
  readonly settled: bigint[];
  state: Exclude<ReservationState, "judging">;
  readonly isRetry: boolean;
  /** Cost counted by velocity and run, nano-USD. */
  counted: number;
  sequence: number;
  digest: string;
  basis: Basis;
  costPicoUsd: bigint;
  chargedNanoUsd: bigint;
}

/**
 * A reservation whose log shows no end although its deadline has passed was ended by another node, whose
 * log says so: it comes back as expired, so that nothing charges it again.
 */
export function restoredReservation(
  { later, record }: StoredDecision,
  nowMs: number,
): RestoredReservation {
  const { held, holds: recorded } = record.reservation;
  const holds = recorded.map(holdOf);
  const restored: RestoredReservation = {
    admitted: held,
    basis: "estimated",
    chargedNanoUsd: 0n,
    costPicoUsd: 0n,
    counted: 0,
    digest: "",
    held: held ? holds.map(() => 0n) : [],
    holds,
    isRetry: wasRetry(record),
    sequence: 0,
    settled: held ? holds.map(() => 0n) : [],
    state: held ? "open" : "released",
  };
  const posted = new Set(later.map((line) => (line.kind === "entry" ? line.id : "")));
  for (const line of later) {
    // A report that was refused or superseded has a line, but posted nothing.
    const counts =
      line.kind === "entry" ||
      posted.has(reportEntryId(line.decision_id, line.sequence, line.digest));
    if (counts) applyLine(restored, line);
  }
  const { deadline_ms: deadlineMs } = record.reservation;
  if (restored.state === "open" && nowMs > deadlineMs)
    expireElsewhere(restored, nowMs - deadlineMs);
  return restored;
}

/**
 * What an expiry charges was charged where a store has simply let go of what ended long ago. One that has
 * lost it sooner has lost its balances too, and what was charged on them with or without it.
 */
function expireElsewhere(reservation: RestoredReservation, agoMs: number): void {
  reservation.state = "expired";
  if (agoMs <= ENDED_KEPT_MS || reservation.sequence > 0) return;
  reservation.held.forEach((_, index) => {
    const hold = reservation.holds[index] as Hold;
    reservation.settled[index] = hold.onExpiryAmount;
  });
}

/** What a decision still holds on each of its budgets by its log lines, parallel to the record's holds. */
export function stillHeld({ later, record }: StoredDecision): readonly bigint[] {
  const { held, holds } = record.reservation;
  const postings = later.flatMap((line) => (line.kind === "entry" ? line.postings : []));
  return holds.map(({ amount, instance }) =>
    postings
      .filter((posting) => posting.instance === instance)
      .reduce((sum, posting) => sum + BigInt(posting.held_delta), held ? BigInt(amount) : 0n),
  );
}

function wasRetry(record: DecisionRecord): boolean {
  const { intent } = firstInput(record);
  return intent.attempt.number > 1 || record.intent.retry_of !== "";
}

function applyLine(reservation: RestoredReservation, line: EntryRecord | ReportRecord): void {
  if (line.kind === "report") {
    if (line.sequence <= reservation.sequence) return;
    reservation.sequence = line.sequence;
    reservation.digest = line.digest;
    reservation.basis = line.basis;
    reservation.costPicoUsd = BigInt(line.cost_pico_usd);
    reservation.chargedNanoUsd = BigInt(line.charged_nano_usd);
    reservation.counted = safeNumber(reservation.chargedNanoUsd);
    return;
  }
  applyPostings(reservation, line);
  if (line.entry === "released" || line.entry === "expired") reservation.state = line.entry;
  if (line.entry === "expired" && reservation.sequence === 0) {
    reservation.counted = safeNumber(postedNanoUsd(BigInt(line.cost_pico_usd)));
  }
  if (line.entry === "settled" && !line.flags.includes("partial")) reservation.state = "settled";
}

function applyPostings(reservation: RestoredReservation, line: EntryRecord): void {
  for (const posting of line.postings) {
    const index = reservation.holds.findIndex((hold) => hold.instance === posting.instance);
    if (index < 0) continue;
    reservation.settled[index] = (reservation.settled[index] ?? 0n) + BigInt(posting.settled_delta);
  }
}
