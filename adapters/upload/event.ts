import type { DecisionRecord } from "../../engine/record/record.ts";

/** What tells one service from others in all that it sends. */
export interface Labels {
  readonly app: "weir";
  /** Of this data folder, the same over restarts. */
  readonly id: string;
  readonly version: string;
}

/** The name that the bundle in force has in what is sent; OPA has many, a service has one. */
export const BUNDLE_NAME = "weir";

/**
 * A decision as an event of OPA's decision log: the policy's input and verdict on the model asked for.
 * What became of it, other models that were judged included, is under `custom`.
 */
export function decisionEvent(record: DecisionRecord, labels: Labels) {
  const { bundle, decision, evaluations, mode, tenant, timings_us: timings } = record;
  const [asked, ...others] = evaluations;
  return {
    labels,
    decision_id: record.id,
    bundles: { [BUNDLE_NAME]: { revision: bundle.revision || bundle.digest } },
    path: "weir/decision",
    ...(asked !== undefined && { input: asked.input }),
    ...(asked !== undefined && asked.verdict !== null && { result: asked.verdict }),
    ...(asked?.verdict === null && {
      error: { code: "policy.fault", message: "the policy gave no verdict" },
    }),
    timestamp: new Date(record.at_ms).toISOString(),
    metrics: {
      timer_rego_query_eval_ns: timings.evaluate * 1_000,
      timer_server_handler_ns: timings.total * 1_000,
    },
    custom: {
      bundle_digest: bundle.digest,
      effect: decision.effect,
      mode,
      model: decision.model,
      others: others.map(({ model, verdict }) => ({ model, verdict })),
      reasons: decision.reasons.map(({ code }) => code),
      tenant,
      would_be: decision.would_be,
    },
  };
}
