import { changeWords, type Period, type Span } from "../../../engine/audit/report.ts";
import { loadConfig } from "../../config.ts";
import { type ProvenReport, reportLog } from "../../serve/audit-report.ts";
import { type Invocation, UsageError } from "../command.ts";
import { harmless, type Style, styleOf } from "../style.ts";

const DAY_MS = 86_400_000;

/** What happened in a stretch of time, for somebody who answers for it. */
export async function run({ flags, json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const nowMs = Date.now();
  const fromMs = flags["from"] === undefined ? 0 : timeOf("from", flags["from"]);
  const untilMs = flags["to"] === undefined ? nowMs : timeOf("to", flags["to"]);
  if (untilMs <= fromMs) throw new UsageError("--to is not after --from");
  const found = reportLog(config.data, { fromMs, nowMs, untilMs });
  terminal.print(
    json
      ? JSON.stringify({ ...found.report, proof: found.proof })
      : toText(found, styleOf(terminal.color)),
  );
  return 0;
}

/** A day (its first moment, UTC) or a moment. */
function timeOf(flag: string, text: string): number {
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;
  const ms = form.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  throw new UsageError(
    `--${flag} ${harmless(text)} is no time; accepted are 2026-11-25 and 2026-11-25T18:00Z`,
  );
}

function toText({ proof, report }: ProvenReport, style: Style): string {
  const { changes, decisions, effects, reasons, records, rejected, reports, samples } = report;
  const proven = new Set(
    (proof?.records ?? []).flatMap(({ record }) => (record.kind === "decision" ? [record.id] : [])),
  );
  const sampleLines = samples.map(
    (id) =>
      `${id}  ${proven.has(id) ? "proven to be in the log" : "not covered by a checkpoint yet"}`,
  );
  const range = `${day(report.from_ms)} to ${day(report.until_ms)}`;
  return [
    style.bold(`audit report, ${range}`),
    ...section("records", [
      `${records} records: ${decisions} decisions, ${reports} reports of usage`,
    ]),
    ...section("answers", countLines(effects)),
    ...section("reasons", countLines(reasons)),
    ...section("refused", countLines(rejected)),
    ...section("bundles", countLines(report.bundles)),
    ...section(
      "grants",
      report.grants.map((grant) => `${stamp(grant.at_ms)}  ${changeWords(grant)}`),
    ),
    ...section("waivers", countLines(report.waivers)),
    ...section("shadow", report.shadow.map(periodLine)),
    ...section("fail open", report.fail_open.map(periodLine)),
    ...section("gaps", report.gaps.map(gapLine)),
    ...section(
      "changes",
      changes.map(
        ({ number, record }) => `${stamp(record.at_ms)}  record ${number}: ${changeWords(record)}`,
      ),
    ),
    ...section("samples", sampleLines),
  ].join("\n");
}

function section(title: string, lines: readonly string[]): readonly string[] {
  const shown = lines.length === 0 ? ["none"] : lines;
  return shown.map((line, index) => `  ${(index === 0 ? title : "").padEnd(11)}${harmless(line)}`);
}

function countLines(counts: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(counts).map(([name, count]) => `${String(count).padStart(8)}  ${name}`);
}

function periodLine({
  decisions,
  from_ms: fromMs,
  not_allowed: notAllowed,
  tenant,
  until_ms: untilMs,
}: Period): string {
  const share =
    notAllowed === 0 ? "" : `, ${notAllowed} of which the policy would not have allowed`;
  return `${stamp(fromMs)} to ${stamp(untilMs)}  tenant ${tenant}: ${decisions} decisions${share}`;
}

function gapLine({ from_ms: fromMs, until_ms: untilMs }: Span): string {
  return `${stamp(fromMs)} to ${stamp(untilMs)}  no record: nobody called, or no service ran`;
}

function stamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function day(ms: number): string {
  if (ms === 0) return "the beginning";
  return ms % DAY_MS === 0 ? new Date(ms).toISOString().slice(0, 10) : stamp(ms);
}
