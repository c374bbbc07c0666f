import type { Mode } from "../decision/decision.ts";
import type { Intent } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import { ceilDiv, costMicroUsd, postedNanoUsd, remainingMicroUsd, safeNumber } from "../money.ts";
import type { Estimate } from "../pricing/estimate.ts";
import type {
  BudgetSnapshot,
  CallCostSnapshot,
  Freeze,
  Hold,
  ScopeCharge,
  ScopeSnapshot,
  Snapshot,
  WindowSnapshot,
} from "../reservation/reservation.ts";
import { mulDiv } from "../velocity/window.ts";
import type { LocalTime } from "./local-time.ts";
import type { CallCostFacts, Candidate, PolicyInput, VelocityFacts, WindowFacts } from "./input.ts";

/** What one evaluation is about: a model, its estimate, and the world before the intent. */
export interface Judged {
  readonly intent: Intent;
  readonly model: string;
  readonly mode: Mode;
  readonly nowMs: number;
  readonly local: LocalTime;
  /** The price book has a price of the tier "flex" for the model now. */
  readonly flexPriced: boolean;
  readonly estimate: Estimate;
  readonly candidates: readonly Candidate[];
  readonly holds: readonly Hold[];
  readonly onStateLoss: (hold: Hold) => "closed" | "open";
  readonly scopes: readonly ScopeCharge[];
  /** Rate, in percent of its limit, from which a velocity window is worth telling. */
  readonly reportPercent: number;
  readonly freezes: readonly Freeze[];
  /** null: the state store is unavailable. */
  readonly snapshot: Snapshot | null;
}

/**
 * Facts to the document a policy reads, as the JSON text that is evaluated and recorded: see
 * PolicyInput for what it holds. Members are in alphabetical order, so it is canonical as it stands.
 * It is written member by member, since a general serialiser costs a fifth of the evaluation.
 */
export function writeInput(judged: Judged): string {
  const { candidates, mode, nowMs, snapshot } = judged;
  return `{"candidates":[${candidates.map(candidateText).join()}],"context":{"budgets":[${judged.holds
    .map((hold, index) => budgetText(judged, hold, snapshot?.budgets[index]))
    .join()}],"freezes":${freezesText(judged.freezes)},"run":${runText(judged)},"state":"${
    snapshot === null ? "unavailable" : "fresh"
  }","velocity":${velocityText(judged)}},"facts":${JSON.stringify(facts(judged))},"intent":${intentText(
    judged.intent,
    judged.model,
  )},"mode":"${mode}","now_ms":${nowMs}}`;
}

/** A JSON string; most need no look at each character. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

const PLAIN = /^[\w .:@/-]*$/;

function candidateText({ clearance, cost_micro_usd, model, regions, tier }: Candidate): string {
  return `{"clearance":${quote(clearance)},"cost_micro_usd":${cost_micro_usd},"model":${quote(model)},"regions":[${regions.map(quote).join()}],"tier":${tier}}`;
}

function budgetText(judged: Judged, hold: Hold, before: BudgetSnapshot | undefined): string {
  const money = hold.unit === "nano_usd";
  const cost = money ? costMicroUsd(hold.amount) : safeNumber(hold.amount);
  const loss = before === undefined ? `,"on_state_loss":"${judged.onStateLoss(hold)}"` : "";
  const left = before === undefined ? null : hold.limit - before.used;
  const remaining = left === null ? null : money ? remainingMicroUsd(left) : safeNumber(left);
  const resetsInMs = hold.endsAtMs === 0 ? 0 : hold.endsAtMs - judged.nowMs;
  const used = before === undefined ? null : usedPercent(before.used, hold.limit);
  return `{"cost":${cost},"fits":${before?.fits ?? null},"id":${quote(hold.budget)},"mode":"${hold.mode}"${loss},"remaining":${remaining},"resets_in_ms":${resetsInMs},"unit":"${money ? "usd" : hold.unit}","used_percent":${used}}`;
}

function intentText(intent: Intent, model: string): string {
  const { attempt, attribution, data, labels, prompt, run, tokens } = intent;
  const { cost_center, customer, environment, feature, service, team, user } = attribution;
  return (
    `{"attempt":{"number":${attempt.number},"reason":${quote(attempt.reason)}}` +
    `,"attribution":{"cost_center":${quote(cost_center)},"customer":${quote(customer)},"environment":${quote(environment)}` +
    `,"feature":${quote(feature)},"service":${quote(service)},"team":${quote(team)},"user":${quote(user)}}` +
    `,"data":{"classes":[${data.classes.map(quote).join()}],"residency":${quote(data.residency)},"sensitivity":"${data.sensitivity}"}` +
    `,"deadline_ms":${intent.deadlineMs},"labels":${JSON.stringify(labels)},"model":${quote(model)}` +
    `,"operation":"${intent.operation}","principal":${quote(intent.principal)}` +
    `,"prompt":{"id":${quote(prompt.id)},"version":${quote(prompt.version)}},"release":${quote(intent.release)}` +
    `,"run":{"depth":${run.depth},"fingerprint":${quote(run.fingerprint)},"id":${quote(run.id)},"step":${run.step}}` +
    `,"service_tier":"${intent.serviceTier}","task":${quote(intent.task)},"tenant":${quote(intent.tenant)}` +
    `,"tokens":{"cache_read":${tokens.cacheRead},"input":${tokens.input},"n":${tokens.n},"output_max":${tokens.outputMax}}}`
  );
}

function freezesText(freezes: readonly Freeze[]): string {
  if (freezes.length === 0) return "[]";
  return JSON.stringify(freezes.map(({ reason, scope }) => ({ reason, scope })));
}

function runText(judged: Judged): string {
  return JSON.stringify(runFacts(judged));
}

function velocityText(judged: Judged): string {
  const told = (judged.snapshot?.scopes ?? []).flatMap((scope, index) => {
    const facts = velocityFacts(judged, scope, index);
    return facts.windows.length === 0 && facts.call_cost === null ? [] : [facts];
  });
  return told.length === 0 ? "[]" : JSON.stringify(told);
}

function facts(judged: Judged): PolicyInput["facts"] {
  const { estimate, snapshot } = judged;
  const outputTokens = estimate.outputTokensCap * estimate.answers;
  const { ended, expired } = snapshot?.unreported ?? { ended: 0, expired: 0 };
  return {
    cost_micro_usd: costMicroUsd(postedNanoUsd(estimate.ceilingPicoUsd)),
    fits_context: estimate.fitsContext,
    flex_priced: judged.flexPriced,
    known: estimate.known,
    local_date: judged.local.date,
    local_time: judged.local.time,
    local_weekday: judged.local.weekday,
    output_tokens: outputTokens,
    priced: estimate.priced,
    tokens: estimate.inputTokensP95 + outputTokens,
    unreported_calls: ended,
    unreported_percent: ended === 0 ? 0 : Math.floor((expired * 100) / ended),
  };
}

function runFacts(judged: Judged): PolicyInput["context"]["run"] {
  if (judged.intent.run.id === "") return null;
  const run = judged.snapshot?.run ?? null;
  if (run === null) return null;
  return {
    children: run.children,
    repeats: run.repeats,
    siblings: run.siblings,
    spent_micro_usd: Math.ceil(run.spentNanoUsd / 1_000),
    steps: run.steps,
  };
}

function usedPercent(used: bigint, limit: bigint): number {
  return limit <= 0n || used <= 0n ? 0 : safeNumber(ceilDiv(used * 100n, limit));
}

function velocityFacts(judged: Judged, scope: ScopeSnapshot, index: number): VelocityFacts {
  const charge = judged.scopes[index] as ScopeCharge;
  return {
    call_cost: callCostFacts(scope.callCost, judged.reportPercent),
    hot: scope.hot,
    in_flight: scope.inFlight,
    kind: charge.kind,
    retry_after_ms: scope.retryAfterMs,
    scope: charge.scope,
    windows: scope.windows
      .filter((window) => isReported(window, judged.reportPercent))
      .map(windowFacts),
  };
}

function callCostFacts(cost: CallCostSnapshot, reportPercent: number): CallCostFacts | null {
  const told = cost.excess > 0 && cost.excess >= mulDiv(cost.limit, reportPercent, 100);
  if (!cost.hot && !told) return null;
  return {
    armed: cost.armed,
    excess_micro_usd: Math.ceil(cost.excess / 1_000),
    hot: cost.hot,
    limit_micro_usd: Math.floor(cost.limit / 1_000),
    retry_after_ms: cost.retryAfterMs,
    usual_micro_usd: Math.ceil(cost.usual / 1_000),
  };
}

function isReported(window: WindowSnapshot, reportPercent: number): boolean {
  if (window.hot || window.retries > 0) return true;
  const active = window.attempts > 0 || window.rate > 0;
  return active && window.rate >= mulDiv(window.limit, reportPercent, 100);
}

function windowFacts(window: WindowSnapshot): WindowFacts {
  return {
    armed: window.armed,
    attempts: window.attempts,
    baseline_ready: window.baselineReady,
    calls: window.calls,
    hot: window.hot,
    limit_micro_usd: Math.floor(window.limit / 1_000),
    percent: window.percent,
    rate_micro_usd: Math.ceil(window.rate / 1_000),
    retry_percent: window.attempts === 0 ? 0 : Math.floor((window.retries * 100) / window.attempts),
    window: window.name,
  };
}

/** Those alternatives of a model that are priced and large enough, at most five. */
export function listCandidates(
  alternatives: readonly string[],
  estimateOn: (model: string) => Estimate,
  describe: (model: string) => Omit<Candidate, "cost_micro_usd" | "model"> | null,
): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const id of alternatives) {
    const description = describe(id);
    if (description === null) continue;
    const estimate = estimateOn(id);
    if (!estimate.priced || !estimate.fitsContext) continue;
    candidates.push({
      clearance: description.clearance,
      cost_micro_usd: costMicroUsd(postedNanoUsd(estimate.ceilingPicoUsd)),
      model: id,
      regions: description.regions,
      tier: description.tier,
    });
    if (candidates.length === LIMITS.candidates) break;
  }
  return candidates;
}
