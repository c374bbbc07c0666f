import { LEDGER_KINDS } from "../../engine/ledger/ledger-entry.ts";
import { usdFromPico } from "../../engine/money.ts";
import type { weir } from "../../proto/gen/weir.js";
import { harmless, type Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

/** Money for people: to the cent from a dollar on, to the millionth below, "<$0.000001" for less. */
export function formatPico(picoUsd: string | bigint): string {
  const pico = BigInt(picoUsd);
  const size = pico < 0n ? -pico : pico;
  if (size > 0n && size < 1_000_000n) return `${pico < 0n ? "-" : ""}<$0.000001`;
  const digits = size >= 1_000_000_000_000n ? 2 : 6;
  const unit = 10n ** BigInt(12 - digits);
  const rounded = ((size + unit / 2n) / unit) * unit;
  const [whole = "0", fraction = ""] = usdFromPico(rounded).split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  const shown = digits === 6 ? trimmed(fraction) : fraction.padEnd(2, "0");
  return `${pico < 0n ? "-" : ""}$${grouped}.${shown}`;
}

function trimmed(fraction: string): string {
  return fraction.padEnd(6, "0").replace(/0{1,4}$/, "");
}

export function grouped(count: number | bigint): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

export function kindName(kind: number): string {
  return LEDGER_KINDS[kind - 1] ?? "unknown";
}

/** All tokens of an entry or a sum. */
export function tokensOf(tokens: weir.v1.TokenCounts | null): number {
  if (tokens === null) return 0;
  const { cacheRead, cacheWrite_1h, cacheWrite_5m, input, output, reasoning } = tokens;
  return [cacheRead, cacheWrite_1h, cacheWrite_5m, input, output, reasoning]
    .map(Number)
    .reduce((sum, count) => sum + count, 0);
}

const COLUMNS: readonly Column[] = [
  { title: "WHEN" },
  { title: "KIND" },
  { title: "TENANT" },
  { title: "TEAM" },
  { title: "MODEL" },
  { title: "LAYER" },
  { title: "TOKENS", right: true },
  { title: "COST", right: true },
  { title: "DECISION" },
];

/** Entries for a person. */
export function renderEntries(entries: readonly weir.v1.LedgerEntry[], style: Style): string {
  const rows = entries.map((entry) => [
    timeText(Number(entry.atMs)),
    { paint: paintOf(entry.kind, style), text: kindName(entry.kind) },
    entry.dimensions["tenant"] ?? "",
    entry.dimensions["team"] ?? "",
    entry.dimensions["model"] ?? entry.dimensions["asked_model"] ?? "",
    entry.dimensions["layer"] ?? "",
    tokensOf(entry.tokens) === 0 ? "" : grouped(tokensOf(entry.tokens)),
    entry.costPicoUsd === "0" ? "" : formatPico(entry.costPicoUsd),
    entry.decisionId === "" ? entry.id : entry.decisionId,
  ]);
  return renderTable(COLUMNS, rows, style);
}

function paintOf(kind: number, style: Style): (text: string) => string {
  const name = kindName(kind);
  if (name === "expired" || name === "corrected") return style.yellow;
  return name === "settled" ? style.green : (text) => text;
}

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19);
}

/** A decision and what became of its money, for a person. */
export function renderDecisionEntries(answer: weir.v1.GetDecisionResponse, style: Style): string {
  const { decision, entries } = answer;
  if (decision === null) return "";
  const given = Object.entries(decision.attribution).map(([field, value]) => `${field} ${value}`);
  const model =
    decision.model === decision.askedModel || decision.model === ""
      ? decision.askedModel
      : `${decision.askedModel} → ${decision.model}`;
  const lines: (readonly [string, string])[] = [
    ["when", timeText(Number(decision.atMs))],
    ["who", [`tenant ${decision.tenant}`, ...given, `principal ${decision.principal}`].join(", ")],
    ["model", model],
    ["layer", decision.layer],
    ...(decision.run === "" ? [] : [["run", `${decision.run}, step ${decision.step}`] as const]),
    [
      "cost",
      `${formatPico(decision.costPicoUsd)}, exactly ${usdFromPico(BigInt(decision.costPicoUsd))} USD`,
    ],
    ...(decision.reasons.length === 0 ? [] : [["why", decision.reasons.join(", ")] as const]),
    ["bundle", decision.bundle.slice(0, 12)],
  ];
  return [
    `${style.bold(decision.effect.toUpperCase())}  ${decision.id}`,
    ...lines.map(([label, text]) => `  ${style.faint(label.padEnd(7))}${harmless(text)}`),
    "",
    entries.length === 0 ? "nothing was held or charged" : renderStory(entries, style),
  ].join("\n");
}

function renderStory(entries: readonly weir.v1.LedgerEntry[], style: Style): string {
  const columns = [
    { title: "WHEN" },
    { title: "ENTRY" },
    { title: "TOKENS", right: true },
    { title: "COST", right: true },
    { title: "BASIS" },
    { title: "PRICE" },
    { title: "" },
  ];
  const rows = entries.map((entry) => [
    timeText(Number(entry.atMs)),
    { paint: paintOf(entry.kind, style), text: kindName(entry.kind) },
    tokensOf(entry.tokens) === 0 ? "" : grouped(tokensOf(entry.tokens)),
    entry.costPicoUsd === "0" ? "" : formatPico(entry.costPicoUsd),
    entry.costPicoUsd === "0" ? "" : (entry.dimensions["basis"] ?? ""),
    entry.dimensions["price_row"] ?? "",
    entry.flags.join(", "),
  ]);
  return renderTable(columns, rows, style);
}
