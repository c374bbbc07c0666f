import { restoredReservation } from "../../engine/ledger/restored.ts";
import { firstInput, type StoredDecision } from "../../engine/record/record.ts";
import { recordedAnswer } from "../../engine/record/write.ts";
import type { Reservation } from "./reservation-table.ts";

/**
 * A reservation as its log lines left it. Only the reservation itself: the balances already hold
 * what the lines posted. Velocity windows of so long ago are past correcting, so it has no marks.
 */
export function restoreReservation(stored: StoredDecision, nowMs: number): Reservation {
  const { record } = stored;
  const { reservation } = record;
  const { intent } = firstInput(record);
  const restored = restoredReservation(stored, nowMs);
  return {
    ...restored,
    asked: restored.holds,
    attempts: [],
    contentDigest: reservation.content_digest,
    deadlineMs: reservation.deadline_ms,
    decision: recordedAnswer(record),
    decisionId: record.id,
    idempotencyKey: reservation.idempotency_key,
    marks: [],
    principal: intent.principal,
    run:
      intent.run.id === ""
        ? null
        : { fingerprint: intent.run.fingerprint, id: intent.run.id, parent: record.intent.parent },
    tenant: record.tenant,
  };
}
