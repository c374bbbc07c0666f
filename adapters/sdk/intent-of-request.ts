import { estimateInput, type RequestFacts } from "../../engine/provider/request.ts";
import type { Attempt } from "./attempts.ts";
import type { CallIntent, CallScope } from "./decision.ts";

/** Longest model name an intent takes, with its provider. */
const MODEL_CHARS = 128;

/** The intent of a request to a provider. */
export function intentOfRequest(
  facts: RequestFacts,
  provider: string,
  scope: CallScope,
  attempt: Attempt,
  more: {
    readonly providers: readonly string[];
    readonly step: number;
    readonly fingerprint: string;
  },
): CallIntent {
  const { expected, p95 } = estimateInput(facts);
  const inRun = scope.run !== undefined;
  return {
    id: attempt.intentId,
    scope: facts.flags.length === 0 ? scope : flagged(scope, facts.flags),
    operation: facts.operation,
    model: `${provider}:${facts.model === "" ? "unknown" : facts.model}`.slice(0, MODEL_CHARS),
    tokens: {
      input: expected,
      inputP95: p95,
      outputMax: facts.outputMax,
      n: facts.answers,
      // A cache mark says that all up to it may be written.
      cacheWrite: facts.cacheWrite === "none" ? 0 : expected,
    },
    ...(inRun && { step: more.step, fingerprint: more.fingerprint }),
    attempt: { number: attempt.number, reason: attempt.reason },
    serviceTier: facts.serviceTier,
    providers: more.providers,
  };
}

/** What the estimate does not see is told to the policy as a label. */
function flagged(scope: CallScope, flags: readonly string[]): CallScope {
  return { ...scope, labels: { ...scope.labels, "weir.flags": flags.join(",") } };
}
