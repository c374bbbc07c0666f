import { FieldReader } from "../../engine/intent/fields.ts";
import { invalid } from "../../engine/intent/parse.ts";
import type { RawReport } from "../../engine/ledger/report.ts";
import { type Fields, isObject, readFields } from "./json-fields.ts";

const REPORT: Fields = {
  decision_id: "plain",
  sequence: "count",
  final: "plain",
  usage: {
    fields: {
      input: "count",
      cache_read: "count",
      cache_write_5m: "count",
      cache_write_1h: "count",
      output: "count",
      reasoning: "count",
    },
  },
  outcome: { prefix: "OUTCOME_" },
  basis: { prefix: "BASIS_" },
  model: "plain",
  service_tier: "plain",
  unknown_usage: "plain",
  raw_usage: { fields: { format: "plain", json: "plain" } },
};

/**
 * A report in the JSON mapping of the proto, as `intentFromJson` takes an intent. `raw_usage.json` may be
 * JSON in a string, or the JSON itself. A name that is none is `report.invalid`.
 */
function reportFromJson(json: unknown, path = "report"): RawReport {
  return fromJson(json, REPORT, path) as RawReport;
}

/** The body of `POST /v1/report`, `{"report": {…}}`. */
export function reportFromBody(body: unknown): RawReport {
  const { report } = fromJson(body, { report: "plain" }, "body") as { readonly report?: unknown };
  return reportFromJson(report);
}

/** The body of `POST /v1/cancel`, `{"decision_id": "…"}`. */
export function cancelFromBody(body: unknown): unknown {
  const fields = fromJson(body, { decision_id: "plain" }, "body");
  return (fields as { readonly decisionId?: unknown }).decisionId;
}

function fromJson(json: unknown, fields: Fields, path: string): object {
  const read = new FieldReader();
  if (!isObject(json)) read.reject(path, "missing or not an object");
  const raw = isObject(json) ? readFields(read, json, fields, path === "body" ? "" : path) : {};
  if (read.violations.length > 0) throw invalid("report.invalid", "report", read);
  return raw;
}
