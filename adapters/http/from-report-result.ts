import type { ReportResult } from "../../engine/ledger/report.ts";

/** What a report did, in the names of the proto. 64-bit amounts are decimal strings. */
export function reportResultToJson(result: ReportResult) {
  return {
    decision_id: result.decisionId,
    status: result.status,
    cost_pico_usd: String(result.costPicoUsd),
    charged_nano_usd: String(result.chargedNanoUsd),
    flags: result.flags,
  };
}
