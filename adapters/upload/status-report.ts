import type { BundleStatus } from "../../engine/operator/bundles.ts";
import { BUNDLE_NAME, type Labels } from "./event.ts";

/** What is said of the upload of decisions. */
export interface UploadHealth {
  readonly dropped: number;
  readonly problem: string;
}

/** How a service is, as OPA reports it: its bundle, and whether bundles and decision logs go through. */
export function statusReport(bundle: BundleStatus, upload: UploadHealth, labels: Labels) {
  const { active, answeredAtMs, askedAtMs, problem } = bundle;
  return {
    labels,
    bundles: {
      [BUNDLE_NAME]: {
        name: BUNDLE_NAME,
        type: "snapshot",
        active_revision: active.revision || active.digest,
        last_successful_activation: timeOf(active.atMs),
        ...(askedAtMs > 0 && { last_request: timeOf(askedAtMs) }),
        ...(answeredAtMs > 0 && { last_successful_request: timeOf(answeredAtMs) }),
        ...(problem !== "" && { code: "bundle_error", message: problem }),
      },
    },
    plugins: {
      bundle: { state: problem === "" ? "OK" : "ERROR" },
      decision_logs: {
        state: upload.problem === "" ? "OK" : "WARN",
        ...(upload.problem !== "" && { message: upload.problem }),
      },
    },
    decision_logs: { metrics: { counter_decision_logs_dropped: upload.dropped } },
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
