import { hash } from "node:crypto";

import { FieldReader } from "../intent/fields.ts";
import { SERVICE_TIERS } from "../intent/intent.ts";
import { invalid, parseWords } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import { readUsage } from "../pricing/usage.ts";
import { readRawUsage } from "./raw-usage.ts";
import { OUTCOMES, type RawReport, type Report } from "./report.ts";

const TIERS = ["", ...SERVICE_TIERS] as const;
const ANY_OUTCOME = ["", ...OUTCOMES] as const;

/** Untrusted input to a Report; every wrong field is named in one `report.invalid`. */
export function parseReport(raw: RawReport): Report {
  const read = new FieldReader();
  const final = read.flag(raw.final, "final");
  const before = read.violations.length;
  const told = readRawUsage(read, raw);
  // What is refused might have said how the call ended.
  const isRefused = read.violations.length > before;
  const outcome = told.outcome === "" && final && !isRefused ? null : told.outcome;
  const seen = parseWords(read, raw.unknownUsage, "unknown_usage", "names", LIMITS.unknownUsage);
  const report: Report = {
    basis: read.choice(raw.basis, "basis", ["provider", "estimated"], "provider"),
    decisionId: parseDecisionId(read, raw.decisionId),
    final,
    model: read.text(raw.model, "model", LIMITS.idChars),
    outcome: read.choice(raw.outcome, "outcome", ANY_OUTCOME, outcome),
    sequence: Math.max(1, read.count(raw.sequence, "sequence", 0, LIMITS.reportSequence)),
    serviceTier: read.choice(raw.serviceTier, "service_tier", TIERS, told.serviceTier),
    unknownUsage: [...told.unknown, ...seen],
    usage: told.usage ?? readUsage(read, raw.usage, "usage"),
  };
  if (read.violations.length > 0) throw invalid("report.invalid", "report", read);
  return report;
}

/** The decision a cancel names; the same form as in a report, and the same `report.invalid`. */
export function parseCancel(decisionId: unknown): string {
  const read = new FieldReader();
  const id = parseDecisionId(read, decisionId);
  if (read.violations.length > 0) throw invalid("report.invalid", "cancel", read);
  return id;
}

function parseDecisionId(read: FieldReader, raw: unknown): string {
  return read.mandatoryText(raw, "decision_id", LIMITS.idChars);
}

/** Digest of what a report says, to tell a repeat from a conflict. */
export function reportDigest(report: Report): string {
  const { basis, final, model, outcome, serviceTier, usage } = report;
  return hash("sha256", JSON.stringify([basis, final, model, outcome, serviceTier, usage])).slice(
    0,
    32,
  );
}
