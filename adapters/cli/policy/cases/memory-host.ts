import { createOperator } from "../../../../engine/operator/create-operator.ts";
import { createWeir } from "../../../../engine/pipeline.ts";
import type { Bundle } from "../../../../engine/policy/bundle.ts";
import type { Ports, StateStore } from "../../../../engine/ports.ts";
import type { DecisionRecord, LogLine, StoredDecision } from "../../../../engine/record/record.ts";
import { serializeLine } from "../../../../engine/record/serialize.ts";
import { GrantTable } from "../../../../engine/reservation/grants.ts";
import type { Weir } from "../../../../engine/weir.ts";
import type { Operator } from "../../../../engine/operator/operator.ts";
import { MemoryStateStore } from "../../../memory/state-store.ts";
import { SteppedClock } from "../../../system/clock.ts";
import { SeededIds } from "../../../system/ids.ts";
import type { PolicyCase } from "./policy-case.ts";
import { CASE_START, type CaseHost } from "./run-case.ts";

/** An engine for one case: state of its own, a clock that the case moves, records kept. */
export interface CaseEngine {
  readonly weir: Weir;
  readonly operator: Operator;
  readonly clock: SteppedClock;
  readonly caller: { readonly principal: string };
  record(decisionId: string): DecisionRecord;
}

/** Opens the engine a case asks for, on a state store. */
export function openCaseEngine(
  given: PolicyCase["given"],
  bundle: Bundle,
  state: StateStore,
): CaseEngine {
  const records = new Map<string, StoredDecision>();
  const clock = new SteppedClock(Date.parse(given.now ?? CASE_START));
  const ports: Ports = {
    bundles: {
      byDigest: (digest) => (digest === bundle.digest ? bundle : null),
      current: () => bundle,
    },
    clock,
    ids: new SeededIds("case"),
    ledger: { find: (decisionId) => Promise.resolve(records.get(decisionId) ?? null) },
    log: {
      append(line) {
        keep(records, JSON.parse(serializeLine(line)) as LogLine);
        return Promise.resolve();
      },
    },
    state,
  };
  const options = { grants: new GrantTable(), inFlightMax: 1_000, mode: given.mode ?? "enforce" };
  return {
    caller: { principal: given.principal ?? "local" },
    clock,
    operator: createOperator(ports, options),
    record: (decisionId) => {
      const stored = records.get(decisionId);
      if (stored === undefined) throw new Error(`there is no record of ${decisionId}`);
      return stored.record;
    },
    weir: createWeir(ports, options),
  };
}

/** Runs a case in this process, on a state in memory. */
export function memoryHost(given: PolicyCase["given"], bundle: Bundle): CaseHost {
  const engine = openCaseEngine(given, bundle, new MemoryStateStore());
  const { caller, clock, operator, weir } = engine;
  return {
    advance: async (ms) => {
      clock.advance(ms);
      await weir.sweep();
    },
    close: () => weir.idle(),
    decide: (intent) => weir.decide(intent, caller),
    freeze: async (tenant, scope, reason) => {
      await operator.freeze({ reason, scope, tenant }, caller);
    },
    grant: async (tenant, budget, amount, forMs) => {
      const untilMs = clock.nowMs() + forMs;
      await operator.grant(
        { amount, budget, reason: "case", tenant, unit: "usd", untilMs },
        caller,
      );
    },
    record: async (decisionId) => {
      await weir.idle();
      return engine.record(decisionId);
    },
    report: async (decision, usage) => {
      const report = {
        basis: "provider",
        decisionId: decision.id,
        final: true,
        outcome: "ok",
        sequence: 1,
        usage,
      };
      await weir.report(report, caller);
    },
  };
}

function keep(records: Map<string, StoredDecision>, line: LogLine): void {
  if (line.kind === "decision") records.set(line.id, { later: [], record: line });
  if (line.kind !== "entry" && line.kind !== "report") return;
  const stored = records.get(line.decision_id);
  if (stored !== undefined)
    records.set(line.decision_id, { later: [...stored.later, line], record: stored.record });
}
