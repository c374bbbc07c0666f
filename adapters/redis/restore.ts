import { restoredReservation } from "../../engine/ledger/restored.ts";
import { LIMITS } from "../../engine/limits.ts";
import { firstInput, type StoredDecision } from "../../engine/record/record.ts";
import { recordedAnswer } from "../../engine/record/write.ts";
import { holdsText } from "./asking.ts";
import { decisionKeys, digestOf, tenantFields } from "./keys.ts";
import { ScriptCall } from "./scripts.ts";

const DAY_MS = 86_400_000;

/**
 * The call that brings a reservation back as its log lines left it. Velocity windows of so long ago are
 * past correcting, so it stands in none.
 */
export function restoreCall(stored: StoredDecision): ScriptCall {
  const { record } = stored;
  const { reservation, tenant } = record;
  const { intent } = firstInput(record);
  const keys = decisionKeys(record.id);
  const restored = restoredReservation(stored);
  const answer = recordedAnswer(record);
  const live = restored.state === "open";
  const intentDigest = digestOf(reservation.idempotency_key);
  const amounts = restored.held.map((held, at) => `${held} ${restored.settled[at] ?? 0n}`);
  const throttledMs = answer.decidedAtMs + answer.retryAfterMs;
  const kept = [record.id, reservation.content_digest, answer.effect, live ? 1 : 0, throttledMs];
  return new ScriptCall()
    .key(keys.reservation(record.id), keys.intent(intentDigest), keys.deadlines)
    .value(record.id, reservation.deadline_ms, live, LIMITS.idempotencyGraceMs, kept.join(" "))
    .value(DAY_MS + LIMITS.lateReportMs)
    .value("state", restored.state, "admitted", restored.admitted, "standing", false)
    .value("counted", restored.counted, "retries", restored.isRetry ? 1 : 0)
    .value("deadline", reservation.deadline_ms, "sequence", restored.sequence)
    .value("digest", restored.digest, "basis", restored.basis)
    .value("cost", restored.costPicoUsd, "charged", restored.chargedNanoUsd)
    .value("endings", tenantFields(tenant).endings(intent.principal))
    .value("fingerprint", intent.run.fingerprint, "intent", intentDigest)
    .value("run", intent.run.id === "" ? "" : digestOf(tenant, intent.run.id))
    .value("holds", holdsText(restored.holds), "amounts", amounts.join(" "))
    .value("decision", JSON.stringify(answer));
}
