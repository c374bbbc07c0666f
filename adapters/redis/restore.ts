import { restoredReservation, stillHeld } from "../../engine/ledger/restored.ts";
import { LIMITS } from "../../engine/limits.ts";
import { firstInput, type StoredDecision } from "../../engine/record/record.ts";
import { recordedAnswer } from "../../engine/record/write.ts";
import { decisionKeys } from "./keys.ts";
import { linksOf, planText } from "./plan.ts";
import { ScriptCall } from "./scripts.ts";

const DAY_MS = 86_400_000;

/**
 * The call that brings a reservation back as its log lines left it. Velocity windows of so long ago are
 * past correcting, so it stands in none. `nowMs` null: the logs of all nodes are known and the balances come
 * back too, so it holds what its lines still hold; else it holds nothing any more, and its time may be over.
 */
export function restoreCall(stored: StoredDecision, nowMs: number | null): ScriptCall {
  const { record } = stored;
  const { reservation, tenant } = record;
  const { intent } = firstInput(record);
  const keys = decisionKeys(record.id);
  const restored = restoredReservation(stored, nowMs ?? 0);
  const held = nowMs === null && restored.admitted ? stillHeld(stored) : restored.held;
  const answer = recordedAnswer(record);
  const live = restored.state === "open";
  const { fingerprint, id } = intent.run;
  const run = id === "" ? null : { fingerprint, id, parent: record.intent.parent };
  const request = {
    deadlineMs: reservation.deadline_ms,
    holds: restored.holds,
    idempotencyKey: reservation.idempotency_key,
    isRetry: restored.isRetry,
    principal: intent.principal,
    run,
    scopes: [],
    tenant,
  };
  const links = linksOf(request);
  const intentMs = LIMITS.idempotencyGraceMs + (live ? LIMITS.reservationTtlMs : 0);
  const throttledMs = answer.decidedAtMs + answer.retryAfterMs;
  const kept = [record.id, reservation.content_digest, answer.effect, live ? 1 : 0, throttledMs];
  const call = new ScriptCall()
    .key(keys.reservation(record.id), keys.intent(links.intent), keys.deadlines)
    .value(record.id, reservation.deadline_ms, live, intentMs, kept.join(" "))
    .value(DAY_MS + LIMITS.lateReportMs)
    .value("state", restored.state, "plan", planText(links, request))
    .value("life", `${restored.admitted ? 1 : 0} 0 ${restored.counted}`)
    .value("amounts", amountsText(held, restored.settled), "decision", JSON.stringify(answer))
    .value("concluded", true);
  const { basis, chargedNanoUsd, costPicoUsd, digest, sequence } = restored;
  if (sequence > 0)
    call.value("report", [sequence, digest, basis, costPicoUsd, chargedNanoUsd].join(" "));
  return call;
}

/** What is held and settled on each hold. */
function amountsText(held: readonly bigint[], settled: readonly bigint[]): string {
  return held.map((amount, at) => `${amount} ${settled[at] ?? 0n}`).join(" ");
}
