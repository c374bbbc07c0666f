import { LIMITS } from "../limits.ts";
import { postedNanoUsd, safeNumber } from "../money.ts";
import { listCandidates, writeInput } from "../policy/write-input.ts";
import type { Bundle } from "../policy/bundle.ts";
import type { Verdict } from "../policy/verdict.ts";
import type { Intent } from "../intent/intent.ts";
import type { StateStore } from "../ports.ts";
import { type Estimate, estimate } from "../pricing/estimate.ts";
import type { Evaluation } from "../record/record.ts";
import { CanonicalText } from "../record/canonical.ts";
import { matchHolds } from "../reservation/budgets.ts";
import type { GrantTable } from "../reservation/grants.ts";
import type { Freeze, Hold, ScopeCharge, Snapshot } from "../reservation/reservation.ts";
import { freezeScopes, matchScopes } from "../velocity/scopes.ts";
import type { Mode } from "./decision.ts";

/** One model an intent could run on: what it costs, holds and counts in. */
export interface Option {
  readonly model: string;
  readonly estimate: Estimate;
  readonly holds: readonly Hold[];
  readonly scopes: readonly ScopeCharge[];
  /** Expected cost, nano-USD, as velocity counts it. */
  readonly costNanoUsd: number;
}

/** What the store answered for the option that is held at the moment. */
export interface Context {
  readonly intent: Intent;
  readonly bundle: Bundle;
  readonly mode: Mode;
  readonly decisionId: string;
  readonly nowMs: number;
  readonly asked: Option;
  /** null: the state store is unavailable. */
  readonly snapshot: Snapshot | null;
  /** What was frozen when the store last answered, where it does not; absent: nothing. */
  readonly knownFreezes?: readonly Freeze[];
  readonly held: boolean;
  readonly forced: boolean;
  readonly stateSequence: number;
  /** Absent: none. */
  readonly grants?: GrantTable;
}

/** What the policy said of each model tried, and which one is to run. */
export interface Judgement {
  readonly evaluations: readonly Evaluation[];
  /** The verdict on the model asked for; null: a policy fault. */
  readonly asked: Verdict | null;
  readonly fault: string;
  /** The alternative that passed, if one did. */
  readonly rerouted: { readonly option: Option; readonly verdict: Verdict } | null;
  /** Alternatives tried. */
  readonly tried: number;
  /** The option whose cost is held now, whether it runs or not; null: nothing is held. */
  readonly holding: Option | null;
  /** Sequence of the last change the store made for this decision. */
  readonly stateSequence: number;
  /** What was held in turn, and whether it fitted; each replaced the one before. */
  readonly holds: readonly { readonly option: Option; readonly held: boolean }[];
  readonly evaluateUs: number;
}

/** Prices and matches one model for an intent. */
export function planOption(
  intent: Intent,
  bundle: Bundle,
  model: string,
  nowMs: number,
  grants?: GrantTable,
): Option {
  const priced = estimate(intent, bundle.pricing, nowMs, model);
  return {
    model,
    estimate: priced,
    holds: matchHolds(bundle.budgets, intent, model, priced, nowMs, grants),
    scopes: matchScopes(bundle.scopes, intent, model),
    costNanoUsd: safeNumber(postedNanoUsd(priced.expectedPicoUsd)),
  };
}

/**
 * Judges the model asked for and, where the policy names routes, each alternative as if it had been
 * asked for: held in its place and judged by the same policy. The first that is allowed and fits
 * wins; if none does, the model asked for is held again where it may run.
 */
export async function judge(
  context: Context,
  store: StateStore,
  elapsedUs: () => number,
): Promise<Judgement> {
  const evaluations: Evaluation[] = [];
  const holds: { option: Option; held: boolean }[] = [];
  let { stateSequence } = context;
  let holding: Option | null = null;
  const hold = (option: Option, held: boolean) => {
    holding = held ? option : null;
    holds.push({ held, option });
  };
  const adjust = async (option: Option) => {
    const adjusted = await store.adjust(adjustment(context, option));
    ({ stateSequence } = adjusted);
    hold(option, adjusted.held);
    return adjusted;
  };
  let evaluateUs = 0;
  const evaluate = (option: Option, snapshot: Snapshot | null) => {
    const startUs = elapsedUs();
    const text = inputText(context, option, snapshot);
    const evaluated = context.bundle.policy.evaluate(text);
    evaluateUs += elapsedUs() - startUs;
    const { fault, verdict } = evaluated;
    evaluations.push({
      input: new CanonicalText(text),
      model: option.model,
      verdict: evaluated.text,
    });
    return { verdict, fault: fault ?? "" };
  };

  hold(context.asked, context.held);
  const { verdict: asked, fault } = evaluate(context.asked, context.snapshot);
  const routes = routesToTry(context, asked);
  let rerouted: Judgement["rerouted"] = null;
  for (const model of routes) {
    const option = planOption(context.intent, context.bundle, model, context.nowMs, context.grants);
    const adjusted = await adjust(option);
    const { verdict } = evaluate(option, adjusted.snapshot);
    if (verdict?.effect === "allow" && adjusted.held) {
      rerouted = { option, verdict };
      break;
    }
  }
  if (routes.length > 0 && rerouted === null && asked?.effect === "allow") {
    await adjust(context.asked);
  }
  const tried = rerouted === null ? routes.length : routes.indexOf(rerouted.option.model) + 1;
  return {
    asked,
    evaluateUs,
    evaluations,
    fault,
    holding,
    holds,
    rerouted,
    stateSequence,
    tried,
  };
}

function routesToTry(context: Context, asked: Verdict | null): readonly string[] {
  if (asked === null || context.mode === "shadow" || context.snapshot === null) return [];
  if (context.snapshot.freezes.length > 0) return [];
  const known = reachable(context, context.asked.model);
  return asked.routes.filter((model) => known.includes(model)).slice(0, LIMITS.routesTried);
}

function adjustment(context: Context, option: Option) {
  return {
    decisionId: context.decisionId,
    tenant: context.intent.tenant,
    holds: option.holds,
    scopes: option.scopes,
    freezeScopes: freezeScopes(context.intent, option.model),
    costNanoUsd: option.costNanoUsd,
    nowMs: context.nowMs,
  };
}

/** The bundle's alternatives to a model, of the providers that the caller can call. */
function reachable({ bundle, intent }: Context, model: string): readonly string[] {
  const { routes } = bundle.data;
  const models = Object.hasOwn(routes, model) ? (routes[model] ?? []) : [];
  if (intent.providers.length === 0) return models;
  return models.filter((id) => intent.providers.includes(id.slice(0, id.indexOf(":"))));
}

/** The policy input for one option of a call, as text. */
export function inputText(context: Context, option: Option, snapshot: Snapshot | null) {
  const { bundle, intent, nowMs } = context;
  const candidates = listCandidates(
    reachable(context, option.model),
    (model) => estimate(intent, bundle.pricing, nowMs, model),
    (model) => bundle.data.models[model] ?? null,
  );
  return writeInput({
    intent,
    model: option.model,
    mode: context.mode,
    nowMs,
    local: bundle.localTimes.at(intent.tenant, nowMs),
    flexPriced: bundle.pricing.priceBook.offers(option.model, "flex", nowMs),
    estimate: option.estimate,
    candidates,
    holds: option.holds,
    onStateLoss: (hold) => bundle.budgets.onStateLoss(intent.tenant, hold.budget),
    scopes: option.scopes,
    reportPercent: bundle.scopes.reportPercent,
    freezes: freezesOf(context, snapshot),
    snapshot,
  });
}

/** What is frozen for a call: as the store says now, or as it last said. */
export function freezesOf(context: Context, snapshot = context.snapshot): readonly Freeze[] {
  return snapshot?.freezes ?? context.knownFreezes ?? [];
}
