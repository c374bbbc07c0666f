import { WeirError } from "../../engine/errors.ts";
import type { Weir } from "../../engine/weir.ts";
import type { Metrics } from "./metrics.ts";

/** The same engine, with every call counted. `elapsedUs` is a monotonic clock in microseconds. */
export function instrument(weir: Weir, metrics: Metrics, elapsedUs: () => number): Weir {
  const counted = async <Result>(call: Promise<Result>): Promise<Result> => {
    try {
      return await call;
    } catch (thrown) {
      metrics.failed(WeirError.from(thrown).code);
      throw thrown;
    }
  };
  return {
    async decide(raw, caller) {
      const startUs = elapsedUs();
      const decision = await counted(weir.decide(raw, caller));
      metrics.decided(decision, (elapsedUs() - startUs) / 1e6);
      return decision;
    },
    async report(raw, caller) {
      const result = await counted(weir.report(raw, caller));
      metrics.reported(result);
      return result;
    },
    cancel: (decisionId, caller) => counted(weir.cancel(decisionId, caller)),
    undelivered: (decision) => weir.undelivered(decision),
    sweep: () => weir.sweep(),
    idle: () => weir.idle(),
  };
}
