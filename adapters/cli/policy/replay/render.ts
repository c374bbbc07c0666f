import { formatMicroUsd } from "../../../../engine/money.ts";
import { formatBundle, type Style, styleOf } from "../../style.ts";
import { renderTable } from "../../table.ts";
import { counted } from "../count.ts";
import type { Replay } from "./tally.ts";

/** A replay, and what it was asked for. */
export interface ReplayReport extends Replay {
  readonly candidate: { readonly digest: string; readonly revision: string };
  /** Changes up to this share of the decisions pass. */
  readonly acceptedPercent: number;
  readonly passes: boolean;
  /** Sections whose change a replay cannot show; null: the bundle that decided is not there. */
  readonly unseen: readonly string[] | null;
}

const EFFECTS = ["allow", "reroute", "throttle", "block"] as const;
const SHOWN_MAX = 10;
const LISTED_MAX = 4;

/** What a program wants to know. */
export function replayToJson(report: ReplayReport): string {
  const { acceptedPercent, bundles, candidate, matrix, passes, rules, teams } = report;
  return JSON.stringify({
    passes,
    accepted_percent: acceptedPercent,
    candidate,
    coverage: {
      decisions: report.decisions,
      inputs: report.inputs,
      from_ms: report.fromMs,
      until_ms: report.untilMs,
      bundles: Object.fromEntries(bundles),
      faults: report.faults,
      unknown: unknownIn(report),
      rules_unmet: report.unmet,
      sections_unseen: report.unseen,
    },
    changed: report.changed,
    reasons_changed: report.reasonsChanged,
    matrix: Object.fromEntries(
      [...matrix].map(([before, row]) => [before, Object.fromEntries(row)]),
    ),
    teams: teams.map((team) => ({
      tenant: team.tenant,
      team: team.team,
      changed: team.changed,
      stopped_micro_usd: team.stoppedMicroUsd,
      started_micro_usd: team.startedMicroUsd,
      moved_micro_usd: team.movedMicroUsd,
    })),
    rules: rules.map(({ code, examples, gone, newly }) => ({ code, newly, gone, examples })),
  });
}

/** What a person wants to know: how much it says, what changes, whose money, and because of what. */
export function renderReplay(report: ReplayReport, options: { readonly color: boolean }): string {
  const style = styleOf(options.color);
  return [
    `${style.bold("replayed")} ${counted(report.decisions, "decision")} on ${formatBundle(report.candidate)}`,
    ...coverageLines(report, style),
    "",
    ...matrixLines(report, style),
    ...teamLines(report, style),
    ...ruleLines(report, style),
    "",
    verdictLine(report, style),
  ].join("\n");
}

function coverageLines(report: ReplayReport, style: Style): readonly string[] {
  const { bundles, decisions, faults, fromMs, inputs, unmet, unseen, untilMs } = report;
  const row = (label: string, text: string): string => `  ${style.faint(label.padEnd(12))}${text}`;
  const unknown = unknownIn(report);
  const at = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
  return [
    row("covers", `${counted(inputs, "input")} from ${at(fromMs)}Z to ${at(untilMs)}Z`),
    row(
      "decided by",
      [...bundles].map(([digest, count]) => `${digest.slice(0, 12)} (${count})`).join(", "),
    ),
    ...(faults > 0
      ? [row("faults", style.red(`the candidate fails on ${counted(faults, "input")}`))]
      : []),
    ...(unknown > 0
      ? [
          row(
            "unknown",
            `${unknown} of ${decisions}: they depend on an alternative that the log holds no input for`,
          ),
        ]
      : []),
    ...(unmet.length > 0
      ? [row("unmet", `no input makes ${counted(unmet.length, "rule")} hold: ${listed(unmet)}`)]
      : []),
    ...(unseen === null
      ? [
          row(
            "not seen",
            "the bundle that decided is not beside the log, so its data is not compared",
          ),
        ]
      : []),
    ...(unseen !== null && unseen.length > 0
      ? [
          row(
            "not seen",
            `${unseen.join(", ")} differ too; the log holds facts worked out from the old ones`,
          ),
        ]
      : []),
  ];
}

function listed(codes: readonly string[]): string {
  const shown = codes.slice(0, LISTED_MAX).join(", ");
  return codes.length > LISTED_MAX ? `${shown}, …` : shown;
}

function matrixLines({ matrix }: ReplayReport, style: Style): readonly string[] {
  const columns = [
    ...EFFECTS,
    ...([...matrix.values()].some((row) => row.has("unknown")) ? (["unknown"] as const) : []),
  ];
  const rows = EFFECTS.filter((before) => matrix.has(before)).map((before) => [
    before,
    ...columns.map((after) => {
      const count = matrix.get(before)?.get(after) ?? 0;
      const text = count === 0 ? "·" : String(count);
      return { paint: before === after || count === 0 ? style.faint : style.yellow, text };
    }),
  ]);
  return renderTable(
    [{ title: "was \\ is" }, ...columns.map((title) => ({ right: true, title }))],
    rows,
    style,
  ).split("\n");
}

function teamLines({ teams }: ReplayReport, style: Style): readonly string[] {
  if (teams.length === 0) return [];
  const money = (microUsd: number): string => (microUsd === 0 ? "·" : formatMicroUsd(microUsd));
  const rows = teams
    .slice(0, SHOWN_MAX)
    .map((one) => [
      `${one.tenant}/${one.team === "" ? "-" : one.team}`,
      String(one.changed),
      money(one.stoppedMicroUsd),
      money(one.startedMicroUsd),
      one.movedMicroUsd > 0 ? `+${money(one.movedMicroUsd)}` : money(one.movedMicroUsd),
    ]);
  const columns = ["team", "changed", "stopped", "let through", "other model"];
  const table = renderTable(
    columns.map((title, index) => ({ right: index > 0, title })),
    rows,
    style,
  );
  const more =
    teams.length > SHOWN_MAX ? [style.faint(`and ${teams.length - SHOWN_MAX} more`)] : [];
  return [
    "",
    `${style.bold("money")}, at most what the calls could cost`,
    ...table.split("\n"),
    ...more,
  ];
}

function ruleLines({ rules }: ReplayReport, style: Style): readonly string[] {
  if (rules.length === 0) return [];
  const rows = rules
    .slice(0, SHOWN_MAX)
    .map(({ code, examples, gone, newly }) => [
      code,
      newly === 0 ? "·" : `+${newly}`,
      gone === 0 ? "·" : `-${gone}`,
      examples.join(" "),
    ]);
  const columns = [
    { title: "rule" },
    { right: true, title: "newly" },
    { right: true, title: "no longer" },
    { title: "for example (weir why ID)" },
  ];
  const more =
    rules.length > SHOWN_MAX ? [style.faint(`and ${rules.length - SHOWN_MAX} more`)] : [];
  return ["", ...renderTable(columns, rows, style).split("\n"), ...more];
}

function verdictLine(report: ReplayReport, style: Style): string {
  const { acceptedPercent, changed, decisions, passes, reasonsChanged } = report;
  const share = changed === 0 ? "0" : ((changed * 100) / decisions).toFixed(1);
  const other = reasonsChanged > 0 ? `; ${reasonsChanged} others only in their reasons` : "";
  const said = `${changed} of ${counted(decisions, "decision")} (${share} %) change${other}`;
  if (passes) return style.green(said);
  return style.red(`${said}; accepted is ${acceptedPercent} % (--accept)`);
}

function unknownIn({ matrix }: Replay): number {
  return [...matrix.values()].reduce((sum, row) => sum + (row.get("unknown") ?? 0), 0);
}
