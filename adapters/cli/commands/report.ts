import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { WeirError } from "../../../engine/errors.ts";
import { LIMITS } from "../../../engine/limits.ts";
import { OUTCOMES } from "../../../engine/ledger/report.ts";
import { costMicroUsd, formatMicroUsd } from "../../../engine/money.ts";
import { nearest } from "../../nearest.ts";
import { weir } from "../../../proto/gen/weir.js";
import { type Invocation, UsageError } from "../command.ts";
import { asCaller } from "../at-service.ts";
import { harmless, styleOf } from "../style.ts";

/** Reports what a decided call used and shows what became of it. */
export async function run(invocation: Invocation): Promise<number> {
  const report = await reportOf(invocation);
  const result = await asCaller(invocation, (client) => client.report(report));
  const { json, terminal } = invocation;
  const { chargedNanoUsd, costPicoUsd, decisionId, flags } = result;
  const status = STATUSES[result.status] ?? "posted";
  if (json) {
    terminal.print(
      JSON.stringify({
        decision_id: decisionId,
        status,
        cost_pico_usd: costPicoUsd,
        charged_nano_usd: String(chargedNanoUsd),
        flags,
      }),
    );
    return 0;
  }
  const style = styleOf(terminal.color);
  const noted = flags.length === 0 ? "" : `  (${harmless(flags.join(", "))})`;
  terminal.print(
    `${style.bold(style.green(status.toUpperCase()))}  ${formatMicroUsd(costMicroUsd(BigInt(chargedNanoUsd)))} charged for decision ${harmless(decisionId)}${noted}`,
  );
  return 0;
}

const { ReportStatus } = weir.v1;
const STATUSES: Readonly<Record<number, string>> = {
  [ReportStatus.REPORT_STATUS_POSTED]: "posted",
  [ReportStatus.REPORT_STATUS_SETTLED]: "settled",
  [ReportStatus.REPORT_STATUS_DUPLICATE]: "duplicate",
  [ReportStatus.REPORT_STATUS_SUPERSEDED]: "superseded",
  [ReportStatus.REPORT_STATUS_CORRECTED]: "corrected",
};

const COUNTS = {
  input: "input",
  output: "output",
  "cache-read": "cacheRead",
  "cache-write-5m": "cacheWrite_5m",
  "cache-write-1h": "cacheWrite_1h",
  reasoning: "reasoning",
} as const;

async function reportOf(invocation: Invocation) {
  const { flags, positionals } = invocation;
  const given = Object.keys(COUNTS).filter((name) => flags[name] !== undefined);
  if (flags["raw"] === undefined && given.length === 0) {
    throw new UsageError("what was used? give --input and --output, or --raw FILE with --format F");
  }
  if (flags["raw"] !== undefined && flags["format"] === undefined) {
    throw new UsageError("--raw needs --format, as in --format openai.chat");
  }
  if (flags["raw"] !== undefined && given.length > 0) {
    throw new UsageError(`--raw and --${given[0]} exclude each other`);
  }
  const common = {
    decisionId: positionals["ID"] ?? "",
    basis: flags["estimated"] === undefined ? 1 : 2,
    final: flags["partial"] === undefined,
    model: flags["model"],
    outcome: outcomeOf(flags["outcome"], flags["raw"] !== undefined),
    sequence: flags["sequence"] === undefined ? undefined : sequenceOf(flags["sequence"]),
    serviceTier: flags["service-tier"],
  };
  if (flags["raw"] !== undefined) {
    const json = await readRaw(flags["raw"], invocation);
    return { ...common, rawUsage: { format: flags["format"], json } };
  }
  const usage = Object.fromEntries(
    Object.entries(COUNTS).map(([flag, field]) => [field, countOf(flag, flags[flag] ?? "0")]),
  );
  return { ...common, usage };
}

function countOf(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name}: ${JSON.stringify(text)} is not a whole number`);
}

function sequenceOf(text: string): number {
  const most = LIMITS.reportSequence;
  if (/^\d{1,15}$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text);
  const message = `${JSON.stringify(text)} is not a whole number from 1 to ${most}`;
  throw new UsageError(`--sequence: ${message}`);
}

/** The number of the contract; 0 leaves it to what the provider told. */
function outcomeOf(word: string | undefined, isRaw: boolean): number {
  if (word === undefined) return isRaw ? 0 : 1;
  const index = OUTCOMES.findIndex((outcome) => outcome === word);
  if (index >= 0) return index + 1;
  const near = nearest(word, OUTCOMES);
  throw new UsageError(
    `--outcome: ${JSON.stringify(word)} is not accepted; accepted are ${OUTCOMES.join(", ")}; the nearest is ${near}`,
  );
}

async function readRaw(file: string, { terminal }: Invocation): Promise<string> {
  if (file === "-") return terminal.readInput();
  try {
    return await readFile(resolve(terminal.cwd, file), "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "there is no such file" : (cause as Error).message;
    throw new WeirError("report.invalid", `${file}: ${why}`);
  }
}
