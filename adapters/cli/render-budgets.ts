import type { weir } from "../../proto/gen/weir.js";
import { formatAmount, unitName } from "./amounts.ts";
import { formatWait, harmless, type Style } from "./style.ts";
import { type Cell, type Column, renderTable } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { title: "BUDGET" },
  { title: "OF" },
  { title: "WINDOW" },
  { title: "USED", right: true },
  { title: "LEFT", right: true },
  { title: "HELD", right: true },
  { title: "CHARGED", right: true },
  { title: "LIMIT", right: true },
  { title: "ENDS IN", right: true },
];

/** Live instances of budgets, and the grants on them, for a person. */
export function renderBudgets(list: weir.v1.ListBudgetsResponse, style: Style): string {
  const { definitions, instances, total } = list;
  const windows = new Map(definitions.map(({ id, window }) => [id, window]));
  const nowMs = Number(list.nowMs);
  const rows = instances.map((one) => rowOf(one, windows.get(one.budget) ?? "", nowMs, style));
  // Where no instance is for one value, the column says nothing.
  const shown = COLUMNS.map((_column, index) => index).filter(
    (index) => index !== 1 || rows.some((row) => textOf(row[1]) !== ""),
  );
  const picked = rows.map((row) => shown.map((index) => row[index] ?? ""));
  const columns = shown.map((index) => COLUMNS[index] as Column);
  const more = Number(total) - instances.length;
  return [
    instances.length === 0 ? "nothing of it is used yet" : renderTable(columns, picked, style),
    ...(more > 0 ? [`and ${more} more that are less used`] : []),
    ...grantLines(list, style),
  ].join("\n");
}

function rowOf(
  one: weir.v1.BudgetInstance,
  window: string,
  nowMs: number,
  style: Style,
): readonly (Cell | string)[] {
  const amount = (value: number | bigint) => formatAmount(Number(value), one.unit);
  const endsAtMs = Number(one.endsAtMs);
  return [
    one.budget,
    ownerText(one.per),
    window,
    usedCell(one, style),
    formatAmount(Number(one.remaining), one.unit, Math.floor),
    amount(one.held),
    amount(one.settled),
    amount(one.limit),
    endsAtMs > nowMs ? formatWait(endsAtMs - nowMs) : "",
  ];
}

/** The used share, rounded up as everywhere, but never to what is not so: 0 %, or all of it. */
function usedCell(one: weir.v1.BudgetInstance, style: Style): Cell {
  const percent = Number(one.usedPercent);
  const [used, limit] = [Number(one.held) + Number(one.settled), Number(one.limit)];
  const isLess = used * 100 < limit;
  if (percent === 100 && used < limit) return { paint: style.yellow, text: ">99%" };
  const paint = percent >= 100 ? style.red : percent >= 80 ? style.yellow : style.green;
  return { paint, text: percent === 1 && isLess ? "<1%" : `${percent}%` };
}

function ownerText(per: Readonly<Record<string, string>>): string {
  return Object.entries(per)
    .map(([field, value]) => `${field} ${value}`)
    .join(", ");
}

function textOf(cell: Cell | string | undefined): string {
  return typeof cell === "object" ? cell.text : (cell ?? "");
}

function grantLines({ grants, nowMs }: weir.v1.ListBudgetsResponse, style: Style): string[] {
  if (grants.length === 0) return [];
  const columns = ["GRANT", "ADDS", "FOR ANOTHER", "BY", "WHY"].map((title) => ({ title }));
  const rows = grants.map(({ actor, amount, budget, reason, unit, untilMs }) => [
    budget,
    formatAmount(Number(amount), unit),
    formatWait(Math.max(0, Number(untilMs) - Number(nowMs))),
    actor,
    reason,
  ]);
  return ["", renderTable(columns, rows, style)];
}

/** What a budget is, for a person. */
export function renderDefinition(budget: weir.v1.BudgetDefinition, style: Style): string {
  const { hard, id, limit, match, per, unit, window } = budget;
  const rows: (readonly [string, string])[] = [
    ["limit", `${formatAmount(Number(limit), unit)} ${windowText(window)}`],
    ["calls", match.length === 0 ? "every call of the tenant" : match.map(matchText).join(", ")],
    ...(per.length > 0 ? [["each", per.join(", ")] as const] : []),
    ["mode", hard ? "hard: what does not fit is blocked" : "soft: what does not fit is only told"],
  ];
  return [
    style.bold(harmless(id)),
    ...rows.map(([label, text]) => `  ${style.faint(label.padEnd(7))}${harmless(text)}`),
  ].join("\n");
}

function windowText(window: string): string {
  return window === "run"
    ? "a run"
    : window.startsWith("last ")
      ? `in the ${window}`
      : `a ${window}`;
}

function matchText({ field, values }: weir.v1.BudgetMatch): string {
  return `${field} ${values.join(" or ")}`;
}

/** The same for a program; money in micro-USD. */
export function budgetsJson(list: weir.v1.ListBudgetsResponse) {
  return {
    now_ms: Number(list.nowMs),
    total: Number(list.total),
    instances: list.instances.map((one) => ({
      budget: one.budget,
      unit: unitName(one.unit),
      per: one.per,
      starts_at_ms: Number(one.startsAtMs),
      ends_at_ms: Number(one.endsAtMs),
      limit: Number(one.limit),
      granted: Number(one.granted),
      held: Number(one.held),
      settled: Number(one.settled),
      remaining: Number(one.remaining),
      used_percent: Number(one.usedPercent),
    })),
    budgets: list.definitions.map(({ hard, id, limit, match, per, unit, window }) => ({
      id,
      unit: unitName(unit),
      limit: Number(limit),
      hard,
      window,
      per,
      match: Object.fromEntries(match.map(({ field, values }) => [field, values])),
    })),
    grants: list.grants.map(grantJson),
  };
}

export function grantJson(grant: weir.v1.Grant) {
  return {
    id: grant.id,
    tenant: grant.tenant,
    budget: grant.budget,
    unit: unitName(grant.unit),
    amount: Number(grant.amount),
    until_ms: Number(grant.untilMs),
    reason: grant.reason,
    actor: grant.actor,
    at_ms: Number(grant.atMs),
  };
}
