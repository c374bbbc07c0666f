import type { Effect } from "../../../../engine/decision/decision.ts";
import type { PolicyInput } from "../../../../engine/policy/input.ts";
import type { Verdict } from "../../../../engine/policy/verdict.ts";
import { type DecisionRecord, firstInput } from "../../../../engine/record/record.ts";

/** What a policy makes of an input; null: it fails. */
export type Judge = (input: PolicyInput) => Verdict | null;

/** What a decision comes to. */
export interface Outcome {
  /** "unknown": it depends on an alternative that the log holds no input for. */
  readonly effect: Effect | "unknown";
  /** The model that runs; "" for none. */
  readonly model: string;
  /** Ceiling of what runs, micro-USD; 0 where nothing does. */
  readonly costMicroUsd: number;
}

/** What was decided; in shadow what it would have been. */
export function recordedOutcome({ decision, evaluations }: DecisionRecord): Outcome {
  const effect = decision.would_be ?? decision.effect;
  if (effect === "block" || effect === "throttle") return { costMicroUsd: 0, effect, model: "" };
  const model = effect === "reroute" ? decision.model : decision.asked_model;
  return { costMicroUsd: costOf(evaluations, model), effect, model };
}

/**
 * What the same inputs come to with another policy, by the engine's own precedence: a freeze, a fault, a
 * route that is judged and held, the verdict, and nothing runs enforced unless it is held.
 */
export function outcomeWith(record: DecisionRecord, judge: Judge): Outcome {
  const { decision, evaluations, mode, reservation } = record;
  const input = firstInput(record);
  const stopped = (effect: "block" | "throttle"): Outcome => ({
    costMicroUsd: 0,
    effect,
    model: "",
  });
  if (input.context.freezes.length > 0) return stopped("block");
  const verdict = judge(input);
  if (verdict === null) return stopped("block");
  const lost = input.context.state === "unavailable";
  const isHeld = (model: string): boolean =>
    reservation.tried.some((tried) => tried.model === model && tried.held);
  for (const model of mode === "shadow" || lost ? [] : verdict.routes) {
    const tried = evaluations.find((one) => one.model === model);
    if (tried === undefined) {
      const cost = input.candidates.find((one) => one.model === model)?.cost_micro_usd ?? 0;
      return { costMicroUsd: cost, effect: "unknown", model };
    }
    if (judge(tried.input as PolicyInput)?.effect === "allow" && isHeld(model))
      return { costMicroUsd: costOf(evaluations, model), effect: "reroute", model };
  }
  if (verdict.effect !== "allow") return stopped(verdict.effect);
  const model = decision.asked_model;
  if (mode === "enforce" && !lost && !isHeld(model)) return stopped("block");
  return { costMicroUsd: costOf(evaluations, model), effect: "allow", model };
}

function costOf(evaluations: DecisionRecord["evaluations"], model: string): number {
  const judged = evaluations.find((one) => one.model === model);
  return judged === undefined ? 0 : (judged.input as PolicyInput).facts.cost_micro_usd;
}

/** Codes of what counted against, or changed, a call. */
export function countingCodes(verdict: Verdict | null): readonly string[] {
  if (verdict === null) return ["policy.fault"];
  const counting = verdict.reasons.filter(
    ({ shadow, waiver }) => shadow !== true && waiver === undefined,
  );
  return [...new Set(counting.map(({ code }) => code))];
}
