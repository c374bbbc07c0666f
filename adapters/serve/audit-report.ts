import { type AuditReport, ReportBuilder } from "../../engine/audit/report.ts";
import { type InclusionFile, noteOf } from "../../engine/audit/proof-file.ts";
import { lastCheckpoint } from "../embedded/checkpoints.ts";
import { findRecords } from "../embedded/prove.ts";
import { readLog } from "../embedded/segments.ts";
import { signingKeyOf } from "../embedded/signing-key.ts";
import { dataLayout } from "./local-storage.ts";

/** A report, and the proof of the decisions that were drawn; null where no checkpoint was signed. */
export interface ProvenReport {
  readonly report: AuditReport;
  readonly proof: InclusionFile | null;
}

export interface ReportRequest {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly nowMs: number;
}

const GAP_MS = 3_600_000;
const SAMPLES = 5;

/** Goes through a log twice: once for the figures, once to prove what was drawn. */
export function reportLog(data: string, { fromMs, nowMs, untilMs }: ReportRequest): ProvenReport {
  const logFolder = dataLayout(data).log;
  const checkpoint = lastCheckpoint(logFolder);
  const builder = new ReportBuilder({ fromMs, gapMs: GAP_MS, samples: SAMPLES, untilMs });
  for (const { line, number } of readLog(logFolder)) builder.take(number, line);
  const report = builder.result(nowMs);
  if (checkpoint === null) return { proof: null, report };
  const drawn = new Set(report.samples);
  const found = findRecords(logFolder, checkpoint, {
    is: (_number, line) => line.kind === "decision" && drawn.has(line.id),
    mayBe: (_number, json) => report.samples.some((id) => json.includes(id)),
  });
  const records = found.flatMap(({ number, path, record }) =>
    path === null ? [] : [{ number, path, record }],
  );
  const key = signingKeyOf(data);
  const proof = {
    checkpoint: noteOf(checkpoint),
    format: "weir-audit-proof/1",
    key,
    records,
  } as const;
  return { proof, report };
}
