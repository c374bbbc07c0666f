import { usdFromPico } from "../../engine/money.ts";
import type { weir } from "../../proto/gen/weir.js";
import { kindName } from "./render-ledger.ts";

/** An entry for a program: exact amounts are decimal strings. */
export function entryJson(entry: weir.v1.LedgerEntry) {
  return {
    id: entry.id,
    kind: kindName(entry.kind),
    decision_id: entry.decisionId,
    run: entry.run,
    at_ms: Number(entry.atMs),
    booked_ms: Number(entry.bookedMs),
    cost_usd: usdFromPico(BigInt(entry.costPicoUsd)),
    cost_pico_usd: entry.costPicoUsd,
    tokens: tokensJson(entry.tokens),
    calls: Number(entry.calls),
    ...entry.dimensions,
    flags: entry.flags,
    postings: entry.postings.map((posting) => ({
      budget: posting.budget,
      instance: posting.instance,
      unit: posting.unit,
      held_delta: String(posting.heldDelta),
      settled_delta: String(posting.settledDelta),
    })),
    detail: JSON.parse(entry.detailJson) as unknown,
    writer: entry.writer,
    sequence: Number(entry.sequence),
  };
}

export function tokensJson(tokens: weir.v1.TokenCounts | null) {
  return {
    input: Number(tokens?.input ?? 0),
    cache_read: Number(tokens?.cacheRead ?? 0),
    cache_write_5m: Number(tokens?.cacheWrite_5m ?? 0),
    cache_write_1h: Number(tokens?.cacheWrite_1h ?? 0),
    output: Number(tokens?.output ?? 0),
    reasoning: Number(tokens?.reasoning ?? 0),
  };
}

export function sumsJson(sums: weir.v1.LedgerSums | null) {
  const pico = sums?.costPicoUsd ?? "0";
  return {
    cost_usd: usdFromPico(BigInt(pico)),
    cost_pico_usd: pico,
    calls: Number(sums?.calls ?? 0),
    ok_calls: Number(sums?.okCalls ?? 0),
    tokens: tokensJson(sums?.tokens ?? null),
    entries: Number(sums?.entries ?? 0),
    reserved: Number(sums?.reserved ?? 0),
    expired: Number(sums?.expired ?? 0),
    expired_pico_usd: sums?.expiredPicoUsd ?? "0",
  };
}

export function decisionJson(decision: weir.v1.LedgerDecision) {
  return {
    id: decision.id,
    at_ms: Number(decision.atMs),
    tenant: decision.tenant,
    ...decision.attribution,
    principal: decision.principal,
    effect: decision.effect,
    mode: decision.mode,
    reasons: decision.reasons,
    asked_model: decision.askedModel,
    model: decision.model,
    intent: decision.intent,
    run: decision.run,
    step: Number(decision.step),
    bundle: decision.bundle,
    layer: decision.layer,
    estimate_micro_usd: Number(decision.estimateMicroUsd),
    cost_usd: usdFromPico(BigInt(decision.costPicoUsd)),
    cost_pico_usd: decision.costPicoUsd,
  };
}

export function periodJson(period: weir.v1.LedgerPeriod) {
  return {
    month: period.month,
    tenant: period.tenant,
    closed_ms: Number(period.closedMs),
    actor: period.actor,
    reason: period.reason,
    cost_usd: usdFromPico(BigInt(period.costPicoUsd)),
    cost_pico_usd: period.costPicoUsd,
    entries: Number(period.entries),
  };
}
