import type { Decision } from "../../../engine/decision/decision.ts";
import type { RawIntent } from "../../../engine/intent/intent.ts";
import type { RawReport, ReportResult } from "../../../engine/ledger/report.ts";
import type { Caller, Weir } from "../../../engine/weir.ts";
import { decisionOf } from "../../../test/support/decision.ts";

/** What a test made the engine do, and what it was asked. */
export interface FakeWeir extends Weir {
  readonly intents: { raw: RawIntent; caller: Caller }[];
  readonly reports: { raw: RawReport; caller: Caller }[];
  readonly lost: Decision[];
}

/** An engine for tests of the wire: remembers what it was given, answers what it is told to. */
export function fakeWeir(
  answers: {
    decide?: (raw: RawIntent) => Decision | Promise<Decision>;
    report?: (raw: RawReport) => ReportResult | Promise<ReportResult>;
    cancel?: (decisionId: string) => Promise<{ released: boolean }>;
  } = {},
): FakeWeir {
  const fake: FakeWeir = {
    intents: [],
    reports: [],
    lost: [],
    decide: async (raw, caller) => {
      fake.intents.push({ raw, caller });
      return (await answers.decide?.(raw)) ?? decision({ id: `decision-${String(raw.id)}` });
    },
    report: async (raw, caller) => {
      fake.reports.push({ raw, caller });
      return (await answers.report?.(raw)) ?? reportResult({ decisionId: String(raw.decisionId) });
    },
    cancel: async (decisionId) => (await answers.cancel?.(decisionId)) ?? { released: true },
    undelivered: async (undelivered) => {
      fake.lost.push(undelivered);
    },
    sweep: async () => 0,
    idle: async () => {},
  };
  return fake;
}

/** A plain allow, with changes. */
export function decision(changes: Partial<Decision> = {}): Decision {
  return decisionOf({
    id: "decision-1",
    estimate: {
      priced: true,
      expectedMicroUsd: 1_200,
      p95MicroUsd: 2_000,
      ceilingMicroUsd: 9_000,
      outputTokensMax: 4_096,
    },
    expiresAtMs: 1_764_000_600_000,
    bundleRevision: "r7",
    decidedAtMs: 1_764_000_000_000,
    ...changes,
  });
}

/** A settled report, with changes. */
export function reportResult(changes: Partial<ReportResult> = {}): ReportResult {
  return {
    decisionId: "decision-1",
    status: "settled",
    costPicoUsd: 1_234_567_890n,
    chargedNanoUsd: 1_234_568n,
    flags: [],
    ...changes,
  };
}
