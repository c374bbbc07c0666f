import type { Mode } from "../decision/decision.ts";
import type { Intent } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import { ceilDiv, costMicroUsd, postedNanoUsd, remainingMicroUsd, safeNumber } from "../money.ts";
import type { Estimate } from "../pricing/estimate.ts";
import type {
  BudgetSnapshot,
  Hold,
  ScopeCharge,
  ScopeSnapshot,
  Snapshot,
  WindowSnapshot,
} from "../reservation/reservation.ts";
import { mulDiv } from "../velocity/window.ts";
import type { BudgetFacts, Candidate, PolicyInput, VelocityFacts, WindowFacts } from "./input.ts";

/** What one evaluation is about: a model, its estimate, and the world before the intent. */
export interface Judged {
  readonly intent: Intent;
  readonly model: string;
  readonly mode: Mode;
  readonly nowMs: number;
  readonly estimate: Estimate;
  readonly candidates: readonly Candidate[];
  readonly holds: readonly Hold[];
  readonly onStateLoss: (hold: Hold) => "closed" | "open";
  readonly scopes: readonly ScopeCharge[];
  /** Rate, in percent of its limit, from which a velocity window is worth telling. */
  readonly reportPercent: number;
  /** null: the state store is unavailable. */
  readonly snapshot: Snapshot | null;
}

/** Facts to the document a policy reads. Members are written in alphabetical order: see PolicyInput. */
export function buildInput(judged: Judged): PolicyInput {
  const { intent, snapshot } = judged;
  return {
    candidates: judged.candidates,
    context: {
      budgets: judged.holds.map((hold, index) =>
        budgetFacts(judged, hold, snapshot?.budgets[index]),
      ),
      freezes: (snapshot?.freezes ?? []).map(({ reason, scope }) => ({ reason, scope })),
      run: runFacts(judged),
      state: snapshot === null ? "unavailable" : "fresh",
      velocity:
        snapshot === null
          ? []
          : snapshot.scopes.map((scope, index) => velocityFacts(judged, scope, index)),
    },
    facts: facts(judged),
    intent: {
      attempt: { number: intent.attempt.number, reason: intent.attempt.reason },
      attribution: intent.attribution,
      data: intent.data,
      deadline_ms: intent.deadlineMs,
      labels: intent.labels,
      model: judged.model,
      operation: intent.operation,
      principal: intent.principal,
      prompt: intent.prompt,
      release: intent.release,
      run: {
        depth: intent.run.depth,
        fingerprint: intent.run.fingerprint,
        id: intent.run.id,
        step: intent.run.step,
      },
      service_tier: intent.serviceTier,
      task: intent.task,
      tenant: intent.tenant,
      tokens: {
        input: intent.tokens.input,
        n: intent.tokens.n,
        output_max: intent.tokens.outputMax,
      },
    },
    mode: judged.mode,
    now_ms: judged.nowMs,
  };
}

function facts(judged: Judged): PolicyInput["facts"] {
  const { estimate, snapshot } = judged;
  const outputTokens = estimate.outputTokensCap * estimate.answers;
  const { ended, expired } = snapshot?.unreported ?? { ended: 0, expired: 0 };
  return {
    cost_micro_usd: costMicroUsd(postedNanoUsd(estimate.ceilingPicoUsd)),
    fits_context: estimate.fitsContext,
    known: estimate.known,
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
    repeats: run.repeats,
    spent_micro_usd: Math.ceil(run.spentNanoUsd / 1_000),
    steps: run.steps,
  };
}

function budgetFacts(judged: Judged, hold: Hold, before: BudgetSnapshot | undefined): BudgetFacts {
  const money = hold.unit === "nano_usd";
  const remaining = before === undefined ? null : hold.limit - before.used;
  return {
    cost: money ? costMicroUsd(hold.amount) : safeNumber(hold.amount),
    fits: before === undefined ? null : before.fits,
    id: hold.budget,
    mode: hold.mode,
    ...(before === undefined ? { on_state_loss: judged.onStateLoss(hold) } : NOTHING),
    remaining:
      remaining === null ? null : money ? remainingMicroUsd(remaining) : safeNumber(remaining),
    resets_in_ms: hold.endsAtMs === 0 ? 0 : hold.endsAtMs - judged.nowMs,
    unit: money ? "usd" : (hold.unit as "tokens" | "calls"),
    used_percent: before === undefined ? null : usedPercent(before.used, hold.limit),
  };
}

const NOTHING = Object.freeze({});

function usedPercent(used: bigint, limit: bigint): number {
  return limit <= 0n || used <= 0n ? 0 : safeNumber(ceilDiv(used * 100n, limit));
}

function velocityFacts(judged: Judged, scope: ScopeSnapshot, index: number): VelocityFacts {
  const charge = judged.scopes[index] as ScopeCharge;
  return {
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

/** Alternatives of a model from the bundle's routes that are priced and large enough, at most five. */
export function listCandidates(
  routes: Readonly<Record<string, readonly string[]>>,
  model: string,
  estimateOn: (model: string) => Estimate,
  describe: (model: string) => Omit<Candidate, "cost_micro_usd" | "model"> | null,
): readonly Candidate[] {
  if (!Object.hasOwn(routes, model)) return [];
  const candidates: Candidate[] = [];
  for (const id of routes[model] ?? []) {
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
