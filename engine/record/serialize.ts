import { canonicalJson } from "./canonical.ts";
import type { DecisionRecord, LogLine } from "./record.ts";

/**
 * A line as canonical JSON (RFC 8785). The lines of the hot path are written in canonical order by
 * those who make them, so that one plain pass is enough; a decision takes in the policy's input as
 * the very text that was evaluated.
 */
export function serializeLine(line: LogLine): string {
  switch (line.kind) {
    case "decision":
      return serializeDecision(line);
    case "entry":
    case "report":
      return JSON.stringify(line);
    case "rejected":
    case "freeze":
    case "grant":
    case "bundle":
    case "control":
    case "imported":
    case "closed":
    case "read":
      return canonicalJson(line);
  }
}

function serializeDecision(record: DecisionRecord): string {
  const { bundle, decision, intent, reservation, timings_us } = record;
  const evaluations = record.evaluations.map(
    ({ input, model, verdict }) =>
      `{"input":${canonicalJson(input)},"model":${JSON.stringify(model)},"verdict":${canonicalJson(verdict)}}`,
  );
  // Reasons and obligations come from the policy in any order of keys; the rest is written in order.
  const decided =
    `{"admission":${JSON.stringify(decision.admission)},"asked_model":${JSON.stringify(decision.asked_model)}` +
    `,"effect":"${decision.effect}","estimate":${JSON.stringify(decision.estimate)}` +
    `,"expires_at_ms":${decision.expires_at_ms},"model":${JSON.stringify(decision.model)}` +
    `,"obligations":${canonicalJson(decision.obligations)},"reasons":${canonicalJson(decision.reasons)}` +
    `,"retry_after_ms":${decision.retry_after_ms},"service_tier":"${decision.service_tier}"` +
    `,"would_be":${JSON.stringify(decision.would_be)}}`;
  return (
    `{"at_ms":${record.at_ms},"bundle":${JSON.stringify(bundle)},"decision":${decided}` +
    `,"evaluations":[${evaluations.join(",")}],"id":"${record.id}","intent":${JSON.stringify(intent)}` +
    `,"kind":"decision","mode":"${record.mode}","reservation":${JSON.stringify(reservation)}` +
    `,"tenant":${JSON.stringify(record.tenant)},"timings_us":${JSON.stringify(timings_us)},"v":${record.v}}`
  );
}
