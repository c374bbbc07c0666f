import type { Decision } from "../decision/decision.ts";
import type { Context, Judgement } from "../decision/judge.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Hold, ReserveRequest } from "../reservation/reservation.ts";
import {
  type DecisionRecord,
  type EntryRecord,
  RECORD_VERSION,
  type RecordedHold,
} from "./record.ts";

/** What is known of a decision once it is made. */
export interface Made {
  readonly context: Context;
  readonly request: ReserveRequest;
  readonly judgement: Judgement;
  readonly decision: Decision;
  readonly stateUs: number;
  readonly totalUs: number;
}

/** A decision to the line that proves it. */
export function decisionRecord(made: Made): DecisionRecord {
  const { context, decision, judgement, request } = made;
  const { intent } = context;
  const { holds } = judgement.holding ?? context.asked;
  return {
    v: RECORD_VERSION,
    kind: "decision",
    id: decision.id,
    at_ms: decision.decidedAtMs,
    tenant: decision.tenant,
    mode: decision.mode,
    bundle: { digest: decision.bundleDigest, revision: decision.bundleRevision },
    decision: recordedDecision(decision),
    evaluations: judgement.evaluations,
    intent: {
      cache_read: intent.tokens.cacheRead,
      cache_write: intent.tokens.cacheWrite,
      id: intent.id,
      input_p95: intent.tokens.inputP95,
      parent: intent.run.parent,
      retry_of: intent.attempt.retryOf,
    },
    reservation: {
      ceiling_pico_usd: String((judgement.holding ?? context.asked).estimate.ceilingPicoUsd),
      content_digest: request.contentDigest,
      deadline_ms: request.deadlineMs,
      forced: context.forced,
      held: judgement.holding !== null,
      holds: holds.map(recordedHold),
      idempotency_key: request.idempotencyKey,
      state_sequence: judgement.stateSequence,
      tried: judgement.holds.map(({ held, option }) => ({
        cost_nano_usd: String(option.costNanoUsd),
        held,
        model: option.model,
      })),
    },
    timings_us: {
      evaluate: Math.round(judgement.evaluateUs),
      state: Math.round(made.stateUs),
      total: Math.round(made.totalUs),
    },
  };
}

function recordedDecision(decision: Decision): DecisionRecord["decision"] {
  const { estimate } = decision;
  return {
    admission: decision.admission,
    asked_model: decision.askedModel,
    effect: decision.effect,
    estimate: {
      ceiling_micro_usd: estimate.ceilingMicroUsd,
      expected_micro_usd: estimate.expectedMicroUsd,
      output_tokens_max: estimate.outputTokensMax,
      p95_micro_usd: estimate.p95MicroUsd,
      priced: estimate.priced,
    },
    expires_at_ms: decision.expiresAtMs,
    model: decision.model,
    obligations: decision.obligations,
    reasons: decision.reasons,
    retry_after_ms: decision.retryAfterMs,
    service_tier: decision.serviceTier,
    would_be: decision.wouldBe,
  };
}

/** The way back: a decision as it was answered, from its record. */
export function recordedAnswer(record: DecisionRecord): Decision {
  const { decision } = record;
  return {
    admission: decision.admission as Decision["admission"],
    askedModel: decision.asked_model,
    bundleDigest: record.bundle.digest,
    bundleRevision: record.bundle.revision,
    decidedAtMs: record.at_ms,
    effect: decision.effect,
    estimate: {
      ceilingMicroUsd: decision.estimate.ceiling_micro_usd,
      expectedMicroUsd: decision.estimate.expected_micro_usd,
      outputTokensMax: decision.estimate.output_tokens_max,
      p95MicroUsd: decision.estimate.p95_micro_usd,
      priced: decision.estimate.priced,
    },
    expiresAtMs: decision.expires_at_ms,
    id: record.id,
    mode: record.mode,
    model: decision.model,
    obligations: decision.obligations,
    reasons: decision.reasons,
    replayed: false,
    retryAfterMs: decision.retry_after_ms,
    serviceTier: decision.service_tier,
    tenant: record.tenant,
    wouldBe: decision.would_be,
  };
}

function recordedHold(hold: Hold): RecordedHold {
  return {
    amount: String(hold.amount),
    budget: hold.budget,
    ends_at_ms: hold.endsAtMs,
    instance: hold.instance,
    limit: String(hold.limit),
    mode: hold.mode,
    on_expiry: String(hold.onExpiryAmount),
    unit: hold.unit,
  };
}

/** The way back: a hold from its record. */
export function holdOf(recorded: RecordedHold): Hold {
  return {
    amount: BigInt(recorded.amount),
    budget: recorded.budget,
    endsAtMs: recorded.ends_at_ms,
    instance: recorded.instance,
    limit: BigInt(recorded.limit),
    mode: recorded.mode,
    onExpiryAmount: BigInt(recorded.on_expiry),
    unit: recorded.unit,
  };
}

/** The `reserved` entry that a decision's record implies; null if nothing is held. */
export function reservedEntry(record: DecisionRecord): EntryRecord | null {
  const { reservation } = record;
  if (!reservation.held) return null;
  return {
    v: RECORD_VERSION,
    kind: "entry",
    entry: "reserved",
    id: `${record.id}:reserved`,
    decision_id: record.id,
    at_ms: record.at_ms,
    cost_pico_usd: reservation.ceiling_pico_usd,
    flags: reservation.forced ? ["forced"] : [],
    postings: reservation.holds.map((hold) => ({
      budget: hold.budget,
      held_delta: hold.amount,
      instance: hold.instance,
      settled_delta: "0",
      unit: hold.unit,
    })),
    state_sequence: reservation.state_sequence,
  };
}

/** An entry to its line; members in alphabetical order, see `serializeLine`. */
export function entryRecord(entry: Entry): EntryRecord {
  return {
    at_ms: entry.atMs,
    cost_pico_usd: String(entry.costPicoUsd),
    decision_id: entry.decisionId,
    entry: entry.kind,
    flags: entry.flags,
    id: entry.id,
    kind: "entry",
    postings: entry.postings.map((posting) => ({
      budget: posting.budget,
      held_delta: String(posting.heldDelta),
      instance: posting.instance,
      settled_delta: String(posting.settledDelta),
      unit: posting.unit,
    })),
    state_sequence: entry.stateSequence,
    v: RECORD_VERSION,
  };
}
