import { WeirError } from "../../engine/errors.ts";
import type { LedgerReader } from "../../engine/ledger/reader.ts";
import type { BundleOperator } from "../../engine/operator/bundles.ts";
import type { Operator } from "../../engine/operator/operator.ts";
import type { Caller, Weir } from "../../engine/weir.ts";
import type { Metrics } from "./metrics.ts";

/** The same engine, with every call counted. `elapsedUs` is a monotonic clock in microseconds. */
export function instrument(weir: Weir, metrics: Metrics, elapsedUs: () => number): Weir {
  const counted = countingFailures(metrics);
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

/** The same operator's side, with every failure counted. */
export function instrumentOperator(operator: Operator, metrics: Metrics): Operator {
  const counted = countingFailures(metrics);
  return {
    freeze: (raw, caller) => counted(operator.freeze(raw, caller)),
    unfreeze: (raw, caller) => counted(operator.unfreeze(raw, caller)),
    freezes: (raw, caller) => counted(operator.freezes(raw, caller)),
    grant: (raw, caller) => counted(operator.grant(raw, caller)),
    budgets: (raw, caller) => counted(operator.budgets(raw, caller)),
    velocity: (raw, caller) => counted(operator.velocity(raw, caller)),
  };
}

/** The same ledger's side, with every failure counted. */
export function instrumentLedger(ledger: LedgerReader, metrics: Metrics): LedgerReader {
  const counted = countingFailures(metrics);
  return {
    list: (raw, caller) => counted(ledger.list(raw, caller)),
    decision: (decisionId, caller) => counted(ledger.decision(decisionId, caller)),
    summarize: (raw, caller) => counted(ledger.summarize(raw, caller)),
    run: (raw, caller) => counted(ledger.run(raw, caller)),
    periods: (raw, caller) => counted(ledger.periods(raw, caller)),
    priceRows: (caller) => counted(ledger.priceRows(caller)),
    close: (raw, caller) => counted(ledger.close(raw, caller)),
    importCosts: (raw, caller) => counted(ledger.importCosts(raw, caller)),
  };
}

/** The same changes of bundles, with every failure counted. */
export function instrumentBundles(bundles: BundleOperator, metrics: Metrics): BundleOperator {
  const counted = countingFailures(metrics);
  return {
    status: (caller) => counted(bundles.status(caller)),
    activate: (raw, caller) => counted(bundles.activate(raw, caller)),
    rollback: (raw, caller) => counted(bundles.rollback(raw, caller)),
  };
}

/** The same authentication, with every refusal counted: it never reaches the engine. */
export function countRefusals(
  authenticator: { authenticate(key: string | null, peer: string): Caller },
  metrics: Metrics,
): { authenticate(key: string | null, peer: string): Caller } {
  return {
    authenticate(key, peer) {
      try {
        return authenticator.authenticate(key, peer);
      } catch (thrown) {
        metrics.failed(WeirError.from(thrown).code);
        throw thrown;
      }
    },
  };
}

function countingFailures(metrics: Metrics) {
  return async <Result>(call: Promise<Result>): Promise<Result> => {
    try {
      return await call;
    } catch (thrown) {
      metrics.failed(WeirError.from(thrown).code);
      throw thrown;
    }
  };
}
