import { reportEntryId } from "../../engine/ledger/settle.ts";
import { postedNanoUsd, safeNumber } from "../../engine/money.ts";
import {
  type DecisionRecord,
  type EntryRecord,
  firstInput,
  type ReportRecord,
  type StoredDecision,
} from "../../engine/record/record.ts";
import { holdOf, recordedAnswer } from "../../engine/record/write.ts";
import type { Reservation } from "./reservation-table.ts";

/**
 * A reservation as its log lines left it. Only the reservation itself: the balances already hold
 * what the lines posted. Velocity windows of so long ago are past correcting, so it has no marks.
 */
export function restoreReservation(stored: StoredDecision): Reservation {
  const { record } = stored;
  const { reservation } = record;
  const { intent } = firstInput(record);
  const holds = reservation.holds.map(holdOf);
  const restored: Reservation = {
    admitted: reservation.held,
    asked: holds,
    attempts: [],
    basis: "estimated",
    chargedNanoUsd: 0n,
    contentDigest: reservation.content_digest,
    costPicoUsd: 0n,
    counted: 0,
    deadlineMs: reservation.deadline_ms,
    decision: recordedAnswer(record),
    decisionId: record.id,
    digest: "",
    held: reservation.held ? holds.map((hold) => hold.amount) : [],
    holds,
    idempotencyKey: reservation.idempotency_key,
    isRetry: wasRetry(record),
    marks: [],
    principal: intent.principal,
    run: intent.run.id === "" ? null : { fingerprint: intent.run.fingerprint, id: intent.run.id },
    sequence: 0,
    settled: reservation.held ? holds.map(() => 0n) : [],
    state: reservation.held ? "open" : "released",
    tenant: record.tenant,
  };
  const posted = new Set(stored.later.map((line) => (line.kind === "entry" ? line.id : "")));
  for (const line of stored.later) {
    // A report that was refused or superseded has a line, but posted nothing.
    const counts =
      line.kind === "entry" ||
      posted.has(reportEntryId(line.decision_id, line.sequence, line.digest));
    if (counts) applyLine(restored, line);
  }
  return restored;
}

function wasRetry(record: DecisionRecord): boolean {
  const { intent } = firstInput(record);
  return intent.attempt.number > 1 || record.intent.retry_of !== "";
}

function applyLine(reservation: Reservation, line: EntryRecord | ReportRecord): void {
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

function applyPostings(reservation: Reservation, line: EntryRecord): void {
  for (const posting of line.postings) {
    const index = reservation.holds.findIndex((hold) => hold.instance === posting.instance);
    if (index < 0) continue;
    reservation.held[index] = (reservation.held[index] ?? 0n) + BigInt(posting.held_delta);
    reservation.settled[index] = (reservation.settled[index] ?? 0n) + BigInt(posting.settled_delta);
  }
}
