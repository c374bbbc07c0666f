import type { Decision, Effect } from "../../../engine/decision/decision.ts";
import type { DecisionRecord } from "../../../engine/record/record.ts";
import type { weir } from "../../../proto/gen/weir.js";
import { effectOf } from "./wire.ts";

/** What the caller of one call learns. */
export type Answer = "rejected" | Decided;

/** A decision, as far as the caller acts on it. */
export interface Decided {
  readonly decisionId: string;
  readonly effect: Effect;
  /** Answers asked for. */
  readonly answers: number;
  /** Most output tokens the call may have, over all its answers. */
  readonly outputCap: number;
}

/** From what came over the wire. */
export function answerFromMessage(message: weir.v1.Decision, answers: number): Decided {
  const most = Number(message.estimate?.outputTokensMax ?? 0);
  const obliged = Number(message.obligations?.maxOutputTokens ?? 0);
  return {
    answers,
    decisionId: message.id,
    effect: effectOf(message),
    outputCap: capOf(most, obliged, answers),
  };
}

/** From the engine itself. */
export function answerFromDecision(decision: Decision, answers: number): Decided {
  const { effect, estimate, id, obligations } = decision;
  const outputCap = capOf(estimate.outputTokensMax, obligations.max_output_tokens ?? 0, answers);
  return { answers, decisionId: id, effect, outputCap };
}

/** From the record of an earlier run. */
export function answerFromRecord({ decision, id }: DecisionRecord, answers: number): Decided {
  const { effect, estimate, obligations } = decision;
  const outputCap = capOf(estimate.output_tokens_max, obligations.max_output_tokens ?? 0, answers);
  return { answers, decisionId: id, effect, outputCap };
}

/** The estimate's cap is for all answers, the obligation's for each. */
function capOf(most: number, obliged: number, answers: number): number {
  return obliged === 0 ? most : Math.min(most, obliged * answers);
}
