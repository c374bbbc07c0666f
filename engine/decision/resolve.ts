import { costMicroUsd, postedNanoUsd } from "../money.ts";
import type { Estimate } from "../pricing/estimate.ts";
import type { Obligations, Verdict } from "../policy/verdict.ts";
import type { Decision, DecisionEstimate, Effect, Reason } from "./decision.ts";
import { type Context, freezesOf, type Judgement, type Option } from "./judge.ts";
import { engineReason, renderReasons } from "./message.ts";

/**
 * Verdicts to one decision. Pure. The order of precedence: a freeze, a policy fault, what the policy
 * said, and last the guarantee that nothing runs enforced without its cost being held.
 */
export function resolve(context: Context, judgement: Judgement, deadlineMs: number): Decision {
  const wanted = decideOutcome(context, judgement);
  const outcome = context.mode === "shadow" ? shadowed(context, judgement, wanted) : wanted;
  const { effect } = outcome;
  const runs = effect === "allow" || effect === "reroute";
  const option =
    effect === "reroute" ? (judgement.rerouted?.option ?? context.asked) : context.asked;
  const held = judgement.holding !== null;
  return {
    admission: admissionOf(runs, held, context.forced),
    askedModel: context.asked.model,
    bundleDigest: context.bundle.digest,
    bundleRevision: context.bundle.revision,
    decidedAtMs: context.nowMs,
    effect,
    estimate: describeEstimate(option.estimate),
    expiresAtMs: runs && held ? deadlineMs : 0,
    id: context.decisionId,
    mode: context.mode,
    model: runs ? option.model : "",
    obligations: outcome.obligations,
    reasons: outcome.reasons,
    replayed: false,
    retryAfterMs: outcome.retryAfterMs,
    serviceTier: context.intent.serviceTier,
    tenant: context.intent.tenant,
    wouldBe: outcome.isWhole ? null : wanted.effect,
  };
}

function admissionOf(runs: boolean, held: boolean, forced: boolean): Decision["admission"] {
  if (!runs) return "";
  if (forced) return "forced";
  return held ? "" : "open";
}

interface Outcome {
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
  readonly obligations: Obligations;
  readonly retryAfterMs: number;
  /** False where shadow took something of it away. */
  readonly isWhole: boolean;
}

const NO_OBLIGATIONS: Obligations = Object.freeze({});

function decideOutcome(context: Context, judgement: Judgement): Outcome {
  const { asked, rerouted } = judgement;
  const { rules } = context.bundle;
  const said = asked === null ? [] : renderReasons(asked.reasons, rules, isToldAmounts(context));
  const [freeze] = freezesOf(context);
  if (freeze !== undefined) return frozen(freeze, said);
  if (asked === null)
    return blocked([engineReason("policy.fault", { fault: judgement.fault }), ...said]);
  if (rerouted !== null) {
    return {
      effect: "reroute",
      isWhole: true,
      obligations: rerouted.verdict.obligations,
      reasons: said,
      retryAfterMs: 0,
    };
  }
  switch (asked.effect) {
    case "block":
      return blocked(said);
    case "throttle":
      return {
        effect: "throttle",
        isWhole: true,
        obligations: NO_OBLIGATIONS,
        reasons: said,
        retryAfterMs: asked.retry_after_ms,
      };
    case "allow":
      return allowed(context, judgement, asked, said);
  }
}

function isToldAmounts({ bundle, intent: { principal } }: Context): boolean {
  const { principals } = bundle.data;
  return !Object.hasOwn(principals, principal) || principals[principal]?.amounts !== false;
}

function allowed(
  context: Context,
  judgement: Judgement,
  asked: Verdict,
  said: readonly Reason[],
): Outcome {
  const reasons = [...said];
  if (judgement.tried > 0)
    reasons.push(engineReason("reroute.no_candidate", { tried: judgement.tried }));
  if (context.snapshot === null) {
    reasons.push(engineReason("state.open"));
  } else if (judgement.holding === null) {
    return blocked([engineReason("budget.not_held"), ...reasons]);
  }
  return {
    effect: "allow",
    isWhole: true,
    obligations: asked.obligations,
    reasons,
    retryAfterMs: 0,
  };
}

function frozen(freeze: { scope: string; reason: string }, said: readonly Reason[]): Outcome {
  const params = { reason: freeze.reason, scope: freeze.scope };
  const named = said.some((reason) => reason.code === "freeze.active" && reason.shadow !== true);
  return blocked(named ? said : [engineReason("freeze.active", params), ...said]);
}

function blocked(reasons: readonly Reason[]): Outcome {
  return { effect: "block", isWhole: true, obligations: NO_OBLIGATIONS, reasons, retryAfterMs: 0 };
}

/**
 * What is left of an outcome in shadow: freezes and faults of the policy or its input whole, else what
 * rules say whose mode is explicitly "enforce". The other findings are reported and do not count.
 */
function shadowed(context: Context, judgement: Judgement, wanted: Outcome): Outcome {
  if (isNeverInShadow(context, judgement.asked)) return wanted;
  const open = { ...wanted, effect: "allow", isWhole: false, retryAfterMs: 0 } as const;
  const allowed: Outcome = { ...open, obligations: NO_OBLIGATIONS };
  if (wanted.effect === "allow") return allowed;
  const enforced = wanted.reasons.filter((finding) => isEnforced(finding, context));
  if (enforced.length === 0) return allowed;
  const reasons = wanted.reasons.map((finding) =>
    enforced.includes(finding) || !mayStop(finding, context)
      ? finding
      : { ...finding, shadow: true },
  );
  const isDenied = enforced.some(({ code }) => kindOf(code, context) === "deny");
  const effect = isDenied ? "block" : "throttle";
  const waits = enforced.map(({ params }) => Number(params["retry_after_ms"] ?? 0));
  return {
    effect,
    isWhole: effect === wanted.effect,
    obligations: NO_OBLIGATIONS,
    reasons,
    retryAfterMs: isDenied ? 0 : Math.max(1, ...waits),
  };
}

function isNeverInShadow(context: Context, asked: Verdict | null): boolean {
  if (freezesOf(context).length > 0 || asked === null) return true;
  return asked.effect !== "allow" && asked.reasons.some(({ code }) => code.startsWith("shape."));
}

function isEnforced(finding: Reason, context: Context): boolean {
  return mayStop(finding, context) && modesOf(finding.code, context).includes("enforce");
}

/** Whether a finding counts and is one that stops calls. */
function mayStop({ code, shadow, waiver }: Reason, context: Context): boolean {
  if (shadow === true || waiver !== undefined) return false;
  return ["deny", "throttle"].includes(kindOf(code, context) ?? "");
}

function kindOf(code: string, { bundle }: Context): string | undefined {
  return bundle.rules[code]?.kind;
}

/** What the bundle says of a rule for this tenant and this team; nothing: as the deployment. */
function modesOf(code: string, { bundle, intent }: Context): readonly (string | undefined)[] {
  const { rules, team_rules, tenant_rules } = bundle.data.modes;
  const said = [rules, tenant_rules?.[intent.tenant], team_rules?.[intent.attribution.team]];
  return said.map((modes) => modes?.[code]);
}

function describeEstimate(estimate: Estimate): DecisionEstimate {
  return {
    ceilingMicroUsd: costMicroUsd(postedNanoUsd(estimate.ceilingPicoUsd)),
    expectedMicroUsd: costMicroUsd(postedNanoUsd(estimate.expectedPicoUsd)),
    outputTokensMax: estimate.outputTokensCap * estimate.answers,
    p95MicroUsd: costMicroUsd(postedNanoUsd(estimate.p95PicoUsd)),
    priced: estimate.priced,
  };
}

/** Which option a decision runs on; null if nothing runs. */
export function runningOption(
  decision: Decision,
  context: Context,
  judgement: Judgement,
): Option | null {
  if (decision.effect === "reroute") return judgement.rerouted?.option ?? null;
  return decision.effect === "allow" ? context.asked : null;
}
