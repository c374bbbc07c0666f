import { weir, type Encodable } from "../../proto/gen/weir.js";
import type { ReportResult, ReportStatus } from "../../engine/ledger/report.ts";

const STATUSES: Readonly<Record<ReportStatus, number>> = {
  posted: weir.v1.ReportStatus.REPORT_STATUS_POSTED,
  settled: weir.v1.ReportStatus.REPORT_STATUS_SETTLED,
  duplicate: weir.v1.ReportStatus.REPORT_STATUS_DUPLICATE,
  superseded: weir.v1.ReportStatus.REPORT_STATUS_SUPERSEDED,
  corrected: weir.v1.ReportStatus.REPORT_STATUS_CORRECTED,
};

/** What a report did, as it goes over the wire. */
export function fromReportResult(result: ReportResult): Encodable<weir.v1.ReportResult> {
  return {
    decisionId: result.decisionId,
    status: STATUSES[result.status],
    costPicoUsd: String(result.costPicoUsd),
    chargedNanoUsd: result.chargedNanoUsd,
    flags: result.flags,
  };
}
