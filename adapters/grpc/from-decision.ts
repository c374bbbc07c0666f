import { weir, type Encodable } from "../../proto/gen/weir.js";
import type { Decision, Effect, Mode, Reason } from "../../engine/decision/decision.ts";

const EFFECTS: Readonly<Record<Effect, number>> = {
  allow: weir.v1.Effect.EFFECT_ALLOW,
  reroute: weir.v1.Effect.EFFECT_REROUTE,
  throttle: weir.v1.Effect.EFFECT_THROTTLE,
  block: weir.v1.Effect.EFFECT_BLOCK,
};

const MODES: Readonly<Record<Mode, number>> = {
  enforce: weir.v1.Mode.MODE_ENFORCE,
  shadow: weir.v1.Mode.MODE_SHADOW,
};

/** A decision as it goes over the wire. */
export function fromDecision(decision: Decision): Encodable<weir.v1.Decision> {
  const { obligations } = decision;
  return {
    id: decision.id,
    effect: EFFECTS[decision.effect],
    model: decision.model,
    reasons: decision.reasons.map(fromReason),
    obligations: {
      maxOutputTokens: obligations.max_output_tokens,
      strip: obligations.strip,
      headers: obligations.headers,
      serviceTier: obligations.service_tier,
    },
    retryAfterMs: decision.retryAfterMs,
    estimate: decision.estimate,
    expiresAtMs: decision.expiresAtMs,
    replayed: decision.replayed,
    mode: MODES[decision.mode],
    wouldBe: decision.wouldBe === null ? 0 : EFFECTS[decision.wouldBe],
    bundleRevision: decision.bundleRevision,
    bundleDigest: decision.bundleDigest,
    decidedAtMs: decision.decidedAtMs,
  };
}

function fromReason(reason: Reason): Encodable<weir.v1.Reason> {
  const params: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(reason.params)) params[name] = String(value);
  return {
    code: reason.code,
    rule: reason.rule,
    severity: reason.severity,
    message: reason.message,
    params,
    shadow: reason.shadow,
    waiver: reason.waiver,
  };
}
