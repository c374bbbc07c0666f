import type { weir } from "../../proto/gen/weir.js";
import { sumsJson } from "./ledger-json.ts";
import { formatPico, grouped, tokensOf } from "./render-ledger.ts";
import type { Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

/** Fields and time that a summary is cut by. */
export interface Cut {
  readonly by: readonly string[];
  readonly each: "" | "hour" | "day" | "month";
}

const FIGURES: readonly Column[] = [
  { title: "COST", right: true },
  { title: "SHARE", right: true },
  { title: "CALLS", right: true },
  { title: "TOKENS", right: true },
  { title: "PER CALL", right: true },
  { title: "PER OK CALL", right: true },
  { title: "PER MTOK", right: true },
];

/** Sums for a person: groups, the whole, and what the whole does not explain. */
export function renderSummary(answer: weir.v1.SummarizeResponse, cut: Cut, style: Style): string {
  const total = answer.total;
  if (total === null || Number(total.entries) === 0) return "no entries: nothing was spent there";
  const whole = BigInt(total.costPicoUsd);
  const titles = [...(cut.each === "" ? [] : [cut.each]), ...cut.by];
  // Groups of holds that came to nothing say nothing of money.
  const spending = answer.groups.filter(
    ({ sums }) => sums !== null && (sums.costPicoUsd !== "0" || Number(sums.calls) !== 0),
  );
  const rows = spending.map((group) => [
    ...(cut.each === "" ? [] : [bucketText(Number(group.bucketMs), cut.each)]),
    ...cut.by.map((field) => valueText(field, group.fields[field] ?? "", style)),
    ...figures(group.sums, whole),
  ]);
  const blank = titles.slice(1).map(() => "");
  const labelled = (label: string, sums: weir.v1.LedgerSums | null) => [
    ...(titles.length === 0 ? [] : [{ paint: style.bold, text: label }, ...blank]),
    ...figures(sums, whole),
  ];
  const columns = [...titles.map((title) => ({ title: title.toUpperCase() })), ...FIGURES];
  return [
    renderTable(columns, [...(titles.length === 0 ? [] : rows), labelled("total", total)], style),
    "",
    ...restLines(answer, whole, style),
  ].join("\n");
}

function restLines(
  { coverage, total, unattributed, unpriced }: weir.v1.SummarizeResponse,
  whole: bigint,
  style: Style,
): string[] {
  const line = (label: string, text: string): string => `${style.faint(label.padEnd(14))}${text}`;
  const costOf = (sums: weir.v1.LedgerSums | null): string =>
    `${formatPico(sums?.costPicoUsd ?? "0")} (${share(sums?.costPicoUsd ?? "0", whole)})`;
  const covered = coverage.map(({ costPicoUsd, field }) => `${field} ${share(costPicoUsd, whole)}`);
  return [
    line("unattributed", `${costOf(unattributed)} names no team`),
    line(
      "unpriced",
      `${grouped(unpriced?.calls ?? 0)} calls, ${grouped(tokensOf(unpriced?.tokens ?? null))} tokens without a price`,
    ),
    line(
      "unreported",
      `${grouped(total?.expired ?? 0)} of ${grouped(total?.reserved ?? 0)} holds ended without a report, charged ${formatPico(total?.expiredPicoUsd ?? "0")}`,
    ),
    line("attribution", covered.join(", ")),
  ];
}

function figures(sums: weir.v1.LedgerSums | null, whole: bigint): readonly string[] {
  const cost = sums?.costPicoUsd ?? "0";
  const unit = unitCosts(sums);
  const shown = (pico: bigint | null): string => (pico === null ? "" : formatPico(pico));
  return [
    formatPico(cost),
    share(cost, whole),
    grouped(sums?.calls ?? 0),
    grouped(tokensOf(sums?.tokens ?? null)),
    shown(unit.perCall),
    shown(unit.perOkCall),
    shown(unit.perMtok),
  ];
}

/** What one call, one call that went well, and a million tokens cost, pico-USD, rounded down. */
function unitCosts(sums: weir.v1.LedgerSums | null) {
  const cost = BigInt(sums?.costPicoUsd ?? "0");
  const per = (count: number, scale = 1n): bigint | null =>
    count > 0 ? (cost * scale) / BigInt(count) : null;
  return {
    perCall: per(Number(sums?.calls ?? 0)),
    perMtok: per(tokensOf(sums?.tokens ?? null), 1_000_000n),
    perOkCall: per(Number(sums?.okCalls ?? 0)),
  };
}

function share(part: string, whole: bigint): string {
  if (whole === 0n) return "";
  const permille = (BigInt(part) * 1_000n) / whole;
  return `${permille / 10n}.${(permille < 0n ? -permille : permille) % 10n}%`;
}

function valueText(field: string, value: string, style: Style) {
  return value === "" ? { paint: style.faint, text: `(no ${field})` } : value;
}

function bucketText(ms: number, each: Cut["each"]): string {
  const text = new Date(ms).toISOString();
  if (each === "hour") return text.slice(0, 16).replace("T", " ");
  return each === "day" ? text.slice(0, 10) : text.slice(0, 7);
}

/** The same for a program. */
export function summaryJson(answer: weir.v1.SummarizeResponse, cut: Cut) {
  const withUnits = (sums: weir.v1.LedgerSums | null) => {
    const { perCall, perMtok, perOkCall } = unitCosts(sums);
    const text = (pico: bigint | null) => (pico === null ? null : String(pico));
    return {
      ...sumsJson(sums),
      pico_usd_per_call: text(perCall),
      pico_usd_per_ok_call: text(perOkCall),
      pico_usd_per_mtok: text(perMtok),
    };
  };
  const whole = BigInt(answer.total?.costPicoUsd ?? "0");
  return {
    by: cut.by,
    each: cut.each === "" ? null : cut.each,
    groups: answer.groups.map(({ bucketMs, fields, sums }) => ({
      ...fields,
      ...(cut.each === "" ? {} : { [cut.each]: bucketText(Number(bucketMs), cut.each) }),
      ...withUnits(sums),
    })),
    total: withUnits(answer.total),
    unpriced: sumsJson(answer.unpriced),
    unattributed: sumsJson(answer.unattributed),
    coverage: answer.coverage.map(({ costPicoUsd, field }) => ({
      field,
      cost_pico_usd: costPicoUsd,
      share: share(costPicoUsd, whole),
    })),
  };
}
