import type { Effect } from "../../../engine/decision/decision.ts";
import { parseIntent } from "../../../engine/intent/parse.ts";
import { type RawIntent, SENSITIVITIES } from "../../../engine/intent/intent.ts";
import { type Encodable, weir } from "../../../proto/gen/weir.js";
import type { PlannedReport } from "./reports.ts";

const { Operation, Outcome, Basis } = weir.v1;

/** An intent of the demo as it goes over the wire. */
export function intentMessage(raw: RawIntent): Encodable<weir.v1.Intent> {
  const { attempt, attribution, data, id, model, run, task, tenant, tokens } = parseIntent(raw, "");
  const { cost_center: costCenter, ...fields } = attribution;
  return {
    id,
    attribution: { ...fields, costCenter, tenant },
    operation: Operation.OPERATION_CHAT,
    model,
    task,
    tokens,
    data: { ...data, sensitivity: SENSITIVITIES.indexOf(data.sensitivity) },
    run: run.id === "" ? undefined : run,
    attempt,
  };
}

const OUTCOME_NUMBERS = {
  ok: Outcome.OUTCOME_OK,
  error: Outcome.OUTCOME_ERROR,
  truncated: Outcome.OUTCOME_TRUNCATED,
} as const;

/** A report of the demo as it goes over the wire. */
export function reportMessage(report: PlannedReport): Encodable<weir.v1.UsageReport> {
  const { decisionId, final, outcome, sequence, usage } = report;
  return {
    decisionId,
    sequence,
    final,
    usage,
    outcome: final ? OUTCOME_NUMBERS[outcome] : Outcome.OUTCOME_UNSPECIFIED,
    basis: Basis.BASIS_PROVIDER,
  };
}

const EFFECTS: readonly Effect[] = ["allow", "reroute", "throttle", "block"];

/** Effect of an answer; the numbers start at 1. */
export function effectOf(message: weir.v1.Decision): Effect {
  return EFFECTS[message.effect - 1] ?? "block";
}
