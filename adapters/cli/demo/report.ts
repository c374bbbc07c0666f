import { formatDuration } from "../../../engine/decision/message.ts";
import { harmless, type Style } from "../style.ts";
import { TRACE_START_MS } from "./mapping.ts";
import { usdNumber, usdText } from "./money.ts";
import { grouped } from "./progress.ts";
import type { RunResult } from "./run.ts";
import type { Stop, TeamTally } from "./tally.ts";
import { BURST_FACTOR } from "./trouble.ts";

/** Whether the run kept its promises: the ledger verifies, nothing was overdrawn, every hold ended. */
export function isSound({ check, openReservations }: RunResult): boolean {
  return (
    check.problems.length === 0 &&
    check.overdrawn.length === 0 &&
    check.open + openReservations === 0
  );
}

/** The run as one JSON object. Money is in USD; entries are those of the whole log, warm-up included. */
export function toJson(result: RunResult): string {
  const { check, latencies, openReservations, tally } = result;
  const { burst, loop, reasons, total } = tally;
  const sorted = reasons.toSorted((one, other) => (one.code < other.code ? -1 : 1));
  return JSON.stringify({
    calls: total.calls,
    rejected: total.rejected,
    effects: total.effects,
    reasons: Object.fromEntries(sorted.map(({ code, count }) => [code, count])),
    usd: {
      estimated: usdNumber(total.usd.estimated),
      settled: usdNumber(total.usd.settled),
      avoided: usdNumber(total.usd.avoided),
      unreported: usdNumber(total.usd.unreported),
      leaked: usdNumber(burst.leaked + loop.leaked),
    },
    detect_ms: { burst: burst.detectMs, loop: loop.detectMs },
    open_reservations: openReservations,
    overdrawn_budgets: check.overdrawn.length,
    ledger: { entries: check.entries, verified: check.problems.length === 0 },
    latency_ms: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
  });
}

/** How the text is set. */
export interface Layout {
  readonly style: Style;
  /** Columns; longer messages are wrapped. */
  readonly width: number;
}

/** What the text says of the run besides its figures. */
export interface Told {
  readonly seed: number;
  readonly warmUpCalls: number;
  /** Data folder, if it is kept. */
  readonly kept: string | null;
}

/** The run for a person. */
export function toText(result: RunResult, told: Told, layout: Layout): string {
  const { style } = layout;
  const { tally } = result;
  const title = (text: string) => ["", style.bold(text)];
  return [
    style.bold(
      `${grouped(tally.total.calls)} calls, ${spoken(tally.spanMs)} of traffic, seed ${told.seed}`,
    ),
    "",
    ...teamTable([...tally.teams, tally.total], style),
    ...title("why (calls for which a rule spoke, and what it said first)"),
    ...reasonTable(result, layout),
    ...title("how long trouble ran before it was stopped, and what leaked until then"),
    stopRow("burst", `feature evals at ${BURST_FACTOR} times its share`, tally.burst),
    stopRow("agent loop", "one agent repeating one step", tally.loop),
    ...title("and then"),
    ...facts(result, told, style),
    "",
    verdict(result, style),
  ].join("\n");
}

type Column = readonly [title: string, cell: (team: TeamTally) => string];

const COLUMNS: readonly Column[] = [
  ["calls", ({ calls }) => grouped(calls)],
  ["allow", ({ effects }) => grouped(effects.allow)],
  ["reroute", ({ effects }) => grouped(effects.reroute)],
  ["throttle", ({ effects }) => grouped(effects.throttle)],
  ["block", ({ effects }) => grouped(effects.block)],
  ["rejected", ({ rejected }) => grouped(rejected)],
  ["estimated", ({ usd }) => usdText(usd.estimated)],
  ["settled", ({ usd }) => usdText(usd.settled)],
  ["avoided", ({ usd }) => usdText(usd.avoided)],
  ["unreported", ({ usd }) => usdText(usd.unreported)],
];

function teamTable(teams: readonly TeamTally[], style: Style): readonly string[] {
  const nameWidth = Math.max(...teams.map(({ team }) => team.length), 4);
  const widths = COLUMNS.map(([title, cell]) =>
    Math.max(title.length, ...teams.map((team) => cell(team).length)),
  );
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(nameWidth)}  ${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join("  ")}`;
  const lines = teams.map((team) =>
    row(
      team.team,
      COLUMNS.map(([, cell]) => cell(team)),
    ),
  );
  const last = lines.pop() ?? "";
  return [
    style.faint(
      row(
        "team",
        COLUMNS.map(([title]) => title),
      ),
    ),
    ...lines,
    style.bold(last),
  ];
}

function reasonTable({ tally }: RunResult, { style, width }: Layout): readonly string[] {
  const { reasons } = tally;
  const codeWidth = Math.max(0, ...reasons.map(({ code }) => code.length));
  const countWidth = Math.max(0, ...reasons.map(({ count }) => grouped(count).length));
  const margin = countWidth + codeWidth + 4;
  return reasons.map(({ code, count, example, severity }) => {
    const grave = severity === "error" || severity === "critical";
    const paint = grave
      ? style.red
      : severity === "warning"
        ? style.yellow
        : (text: string) => text;
    const start = `${grouped(count).padStart(countWidth)}  ${paint(code.padEnd(codeWidth))}  `;
    return start + wrap(harmless(example), width - margin).join(`\n${" ".repeat(margin)}`);
  });
}

function stopRow(name: string, what: string, stop: Stop): string {
  const start = `${name.padEnd(NAME_WIDTH)}${what}: `;
  if (stop.calls === 0) return `${start}none in these calls`;
  const { admitted, admittedBefore, bystanders, calls, detectMs, leaked } = stop;
  if (detectMs === null)
    return `${start}never stopped; its ${admitted} calls cost ${usdText(leaked)}`;
  const others = bystanders === 0 ? "" : `, nor did ${bystanders} others of the team`;
  const kept = `${grouped(calls - admitted)} of its ${grouped(calls)} calls did not run${others}`;
  const stopped = `stopped after ${spoken(detectMs)} and ${admittedBefore} calls that cost ${usdText(leaked)}`;
  return `${start}${stopped}\n${" ".repeat(NAME_WIDTH)}${kept}`;
}

const NAME_WIDTH = 12;

function facts(result: RunResult, { kept, warmUpCalls }: Told, style: Style): readonly string[] {
  const { check, latencies, resumed, tally } = result;
  const { late, never, once, overrun, partial, repeated } = tally.reports;
  const start = new Date(TRACE_START_MS).toISOString().slice(0, 16).replace("T", " ");
  const rows: (readonly [string, string])[] = [
    [
      "reports",
      `${grouped(once)} once, ${partial} in parts, ${repeated} twice, ${late} late, ${overrun} above what was held, ${never} never`,
    ],
    ["latency", latencyText(latencies)],
    [
      "ledger",
      `${grouped(check.entries)} entries of ${grouped(check.decisions)} decisions; ${grouped(warmUpCalls)} were the warm-up's, counted only here`,
    ],
    ["time", `simulated: the trace begins at ${start} UTC, for prices have dates`],
  ];
  if (resumed > 0)
    rows.push(["resumed", `${grouped(resumed)} calls were answered before this run took over`]);
  if (kept !== null)
    rows.push(["data", `${kept}; weir ledger check --data ${kept} proves it again`]);
  return rows.map(([name, text]) => `${style.faint(name.padEnd(NAME_WIDTH))}${text}`);
}

function verdict({ check, openReservations }: RunResult, style: Style): string {
  const wrong = [
    ...check.problems.slice(0, 5).map(({ at, what }) => `${at}: ${what}`),
    ...check.overdrawn.map((instance) => `hard budget overdrawn: ${instance}`),
    ...(openReservations + check.open > 0
      ? [`${openReservations + check.open} reservations never ended`]
      : []),
  ];
  if (wrong.length > 0)
    return [style.red("the ledger does NOT verify"), ...wrong.map((line) => `  ${line}`)].join(
      "\n",
    );
  return style.green(
    "the ledger verifies: every hold ended once, the entries add up to the balances, no hard budget was overdrawn",
  );
}

function latencyText(latencies: readonly number[]): string {
  if (latencies.length === 0) return "none: an earlier run had made every decision";
  const at = (share: number) => `${(quantile(latencies, share) ?? 0).toFixed(1)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)} for a decision over gRPC, one at a time`;
}

/** Nearest rank, to a microsecond; null for nothing. */
function quantile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : Math.round(value * 1_000) / 1_000;
}

/** A length of time: "6.9 s", "7 min 4 s". */
function spoken(ms: number): string {
  if (ms < 60_000 || ms >= 3_600_000) return formatDuration(ms);
  const seconds = Math.round(ms / 1_000);
  return seconds % 60 === 0
    ? `${seconds / 60} min`
    : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Words in lines of at most `width` columns. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
