import { afterEach, beforeEach, expect, it } from "vitest";
import type { Decision, Reason } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import type { ReportResult } from "../../engine/ledger/report.ts";
import type { Weir } from "../../engine/weir.ts";
import { countRefusals, instrument } from "./instrument.ts";
import { createMetrics, type Metrics } from "./metrics.ts";

const SHADOWED = { effect: "allow", mode: "shadow" } as const;
const decisionOf = (change: object): Decision =>
  ({
    effect: "allow",
    mode: "enforce",
    reasons: [],
    estimate: { priced: true },
    ...change,
  }) as unknown as Decision;
const reasonOf = (code: string): Reason => ({ code }) as Reason;
const resultOf = (
  decisionId: string,
  status: ReportResult["status"],
  chargedNanoUsd: bigint,
): ReportResult => ({
  decisionId,
  status,
  chargedNanoUsd,
  costPicoUsd: chargedNanoUsd * 1_000n,
  flags: [],
});

let metrics: Metrics;
let bundle: { revision: string; digest: string } | null;
let openReservations: () => Promise<number>;
beforeEach(() => {
  bundle = null;
  openReservations = () => Promise.resolve(7);
  metrics = createMetrics({
    openReservations: () => openReservations(),
    bundle: () => bundle,
    ledgerLagSeconds: () => 0,
  });
});
afterEach(() => metrics.close());

const lines = async (): Promise<readonly string[]> => (await metrics.exposition()).text.split("\n");

it("counts decisions, reasons, time and unpriced calls", async () => {
  metrics.decided(decisionOf({ effect: "block", reasons: [reasonOf("budget.exhausted")] }), 0.002);
  metrics.decided(decisionOf({ ...SHADOWED, estimate: { priced: false } }), 0.2);
  const shown = await lines();
  expect(shown).toContain('weir_decisions_total{effect="block",mode="enforce"} 1');
  expect(shown).toContain('weir_decisions_total{effect="allow",mode="shadow"} 1');
  expect(shown).toContain('weir_decisions_total{effect="reroute",mode="enforce"} 0');
  expect(shown).toContain('weir_decision_reasons_total{code="budget.exhausted"} 1');
  expect(shown).toContain('weir_decision_duration_seconds_bucket{le="0.0025"} 1');
  expect(shown).toContain("weir_decision_duration_seconds_count 2");
  expect(shown).toContain("weir_unpriced_calls_total 1");
});

it("counts settled money once, and a correction by what it adds", async () => {
  metrics.reported(resultOf("a", "posted", 500_000_000n));
  metrics.reported(resultOf("a", "settled", 1_000_000_000n));
  metrics.reported(resultOf("a", "duplicate", 1_000_000_000n));
  metrics.reported(resultOf("a", "corrected", 1_250_000_000n));
  metrics.reported(resultOf("b", "corrected", 250_000_000n));
  const shown = await lines();
  expect(shown).toContain("weir_settled_usd_total 1.5");
  expect(shown).toContain('weir_reports_total{status="corrected"} 2');
});

it("shows the bundle in force alone, and open reservations", async () => {
  expect((await lines()).filter((line) => line.startsWith("weir_bundle_info{"))).toEqual([]);
  bundle = { revision: "r1", digest: "d1" };
  await lines();
  bundle = { revision: "r2", digest: "d2" };
  const shown = await lines();
  expect(shown.filter((line) => line.startsWith("weir_bundle_info{"))).toEqual([
    'weir_bundle_info{revision="r2",digest="d2"} 1',
  ]);
  expect(shown).toContain("weir_reservations_open 7");
});

it("survives a store that does not answer, and shows the process", async () => {
  openReservations = () => Promise.reject(new WeirError("state.unavailable", "gone"));
  const shown = await lines();
  expect(shown).toContain("weir_reservations_open Nan");
  expect(shown.some((line) => line.startsWith("process_cpu_seconds_total"))).toBe(true);
});

it("keeps the number of series bounded", async () => {
  const reasons = Array.from({ length: 1_000 }, (_, index) => reasonOf(`code.${index}`));
  metrics.decided(decisionOf({ reasons }), 0.001);
  const series = (await lines()).filter((line) => line.startsWith("weir_decision_reasons_total{"));
  expect(series).toHaveLength(257);
  expect(series).toContain('weir_decision_reasons_total{code="other"} 744');
});

it("instruments every call and changes none", async () => {
  const weir = {
    decide: () => Promise.resolve(decisionOf({})),
    report: () => Promise.resolve(resultOf("a", "settled", 1n)),
    cancel: () => Promise.reject(new WeirError("decision.not_found", "no")),
  } as unknown as Weir;
  let us = 0;
  const counted = instrument(weir, metrics, () => (us += 1_000));
  await counted.decide({}, { principal: "p" });
  await counted.report({}, { principal: "p" });
  await expect(counted.cancel("x", { principal: "p" })).rejects.toThrow("no");
  const door = countRefusals(
    {
      authenticate: () => {
        throw new WeirError("auth.unauthenticated", "who");
      },
    },
    metrics,
  );
  expect(() => door.authenticate(null, "")).toThrow("who");
  const shown = await lines();
  expect(shown).toContain("weir_decision_duration_seconds_sum 0.001");
  expect(shown).toContain('weir_errors_total{code="decision.not_found"} 1');
  expect(shown).toContain('weir_errors_total{code="auth.unauthenticated"} 1');
});
