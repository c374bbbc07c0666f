import type { Decision, Reason } from "../../engine/decision/decision.ts";
import { refusalDetails, refusalOf } from "../../engine/provider/refusal.ts";

/** A decision as JSON shows it everywhere: the names of the proto, effects as words. */
export interface DecisionJson {
  readonly id: string;
  readonly effect: Decision["effect"];
  readonly model: string;
  readonly asked_model: string;
  readonly service_tier: Decision["serviceTier"];
  readonly reasons: readonly ReasonJson[];
  readonly obligations: {
    readonly max_output_tokens: number;
    readonly service_tier: string;
    readonly strip: readonly string[];
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly retry_after_ms: number;
  readonly estimate: {
    readonly priced: boolean;
    readonly expected_micro_usd: number;
    readonly p95_micro_usd: number;
    readonly ceiling_micro_usd: number;
    readonly output_tokens_max: number;
  };
  readonly expires_at_ms: number;
  readonly replayed: boolean;
  readonly mode: Decision["mode"];
  readonly would_be: Decision["wouldBe"];
  readonly admission: Decision["admission"];
  readonly bundle_revision: string;
  readonly bundle_digest: string;
  readonly decided_at_ms: number;
}

/** One finding in that form. */
export interface ReasonJson {
  readonly code: string;
  readonly rule: string;
  readonly severity: Reason["severity"];
  readonly message: string;
  readonly params: Reason["params"];
  readonly shadow: boolean;
  readonly waiver: string;
}

/** The decision in JSON names; nothing left out, nothing renamed beyond the spelling. */
export function decisionToJson(decision: Decision): DecisionJson {
  const { estimate, obligations } = decision;
  return {
    id: decision.id,
    effect: decision.effect,
    model: decision.model,
    asked_model: decision.askedModel,
    service_tier: decision.serviceTier,
    reasons: decision.reasons.map(reasonToJson),
    obligations: {
      max_output_tokens: obligations.max_output_tokens ?? 0,
      service_tier: obligations.service_tier ?? "",
      strip: obligations.strip ?? [],
      headers: obligations.headers ?? {},
    },
    retry_after_ms: decision.retryAfterMs,
    estimate: {
      priced: estimate.priced,
      expected_micro_usd: estimate.expectedMicroUsd,
      p95_micro_usd: estimate.p95MicroUsd,
      ceiling_micro_usd: estimate.ceilingMicroUsd,
      output_tokens_max: estimate.outputTokensMax,
    },
    expires_at_ms: decision.expiresAtMs,
    replayed: decision.replayed,
    mode: decision.mode,
    would_be: decision.wouldBe,
    admission: decision.admission,
    bundle_revision: decision.bundleRevision,
    bundle_digest: decision.bundleDigest,
    decided_at_ms: decision.decidedAtMs,
  };
}

/**
 * The answer of `POST /v1/data/weir/decision`, in the form OPA answers a data request. `refusal` tells people
 * and programs of a block or a throttle as its error at a provider would.
 */
export function answerFromDecision(decision: Decision): {
  readonly result: DecisionJson;
  readonly decision_id: string;
  readonly refusal?: object;
} {
  const answer = { result: decisionToJson(decision), decision_id: decision.id };
  const { effect } = decision;
  if (effect !== "block" && effect !== "throttle") return answer;
  const refusal = refusalOf({ ...decision, effect });
  return { ...answer, refusal: { message: refusal.message, ...refusalDetails(refusal) } };
}

function reasonToJson(reason: Reason): ReasonJson {
  return {
    code: reason.code,
    rule: reason.rule,
    severity: reason.severity,
    message: reason.message,
    params: reason.params,
    shadow: reason.shadow ?? false,
    waiver: reason.waiver ?? "",
  };
}
