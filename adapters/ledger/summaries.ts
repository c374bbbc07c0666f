import { ATTRIBUTION_FIELDS } from "../../engine/intent/intent.ts";
import { type Dimension, LEDGER_KINDS } from "../../engine/ledger/ledger-entry.ts";
import { monthOf, monthSpan } from "../../engine/ledger/month.ts";
import type { Summary, SummaryQuery, SummaryRow, Sums } from "../../engine/ledger/query.ts";
import { TOKEN_CLASSES } from "../../engine/pricing/rates.ts";
import {
  bigintOf,
  columnOf,
  DAY_HOURS,
  HOUR_MS,
  MEASURES,
  picoOf,
  tokensOfRow,
} from "./columns.ts";
import { Conditions, filterSums } from "./conditions.ts";
import type { SqlRow, SqlSession } from "./connection.ts";

/**
 * Sums by group and bucket, and of the whole: from the daily and hourly sums, or from every entry. One pass adds
 * up each set of dimensions; what they are called and what is told apart is joined to the few sums.
 */
export async function summarize(session: SqlSession, query: SummaryQuery): Promise<Summary> {
  const found = await session.query(...summarySql(query));
  const whole = found.find((row) => Number(row["is_whole"]) === 1) ?? {};
  const rows = found.filter((row) => row !== whole);
  return {
    covered: ATTRIBUTION_FIELDS.map((field) => ({
      costPicoUsd: picoOf(whole[`${field}_nano`], whole[`${field}_rest`]),
      field,
    })),
    rows: byMonth(
      rows.map((row) => summaryRow(row, query)),
      query,
    ),
    total: sumsOfRow(whole),
    unattributed: sumsOfRow(whole, "unattributed_"),
    unpriced: sumsOfRow(whole, "unpriced_"),
  };
}

type Sql = readonly [text: string, parameters: Conditions["parameters"]];

const RESERVED = LEDGER_KINDS.indexOf("reserved");
const EXPIRED = LEDGER_KINDS.indexOf("expired");

/** The sums of a table's rows; with a condition, of those that meet it, under a prefix. */
export function sumColumns(count: string, condition = "", prefix = ""): string {
  const sum = (name: string, expression: string, also = ""): string => {
    const tests = [condition, also].filter((one) => one !== "").join(" AND ");
    const counted = tests === "" ? expression : `CASE WHEN ${tests} THEN ${expression} ELSE 0 END`;
    return `SUM(${counted}) AS ${prefix}${name}`;
  };
  return [
    sum("entries", count),
    ...["calls", "ok_calls", "cost_nano", "cost_rest", ...TOKEN_CLASSES].map((name) =>
      sum(name, `s.${name}`),
    ),
    sum("reserved", count, `s.kind = ${RESERVED}`),
    sum("expired", count, `s.kind = ${EXPIRED}`),
    sum("expired_nano", "s.cost_nano", `s.kind = ${EXPIRED}`),
    sum("expired_rest", "s.cost_rest", `s.kind = ${EXPIRED}`),
  ].join(", ");
}

function summarySql(query: SummaryQuery): Sql {
  const { bucket, groupBy } = query;
  const conditions = new Conditions();
  const groups = groupBy.map((name) => `d.${columnOf(name)}`);
  const by = bucket === "none" ? groups : [...groups, "s.bucket"];
  const nothing = by.map((column) => `NULL AS ${column.slice(2)}`);
  const source = "FROM summed s JOIN dimensions d ON d.id = s.dimension";
  const grouped = by.length === 0 ? "" : ` GROUP BY ${by.join(", ")}`;
  const summed = partsOf(query).map((part) => summedSql(query, part, conditions));
  return [
    `WITH summed AS MATERIALIZED (${summed.join(" UNION ALL ")})
     SELECT ${[...by, "0 AS is_whole", WHOLE_SUMS].join(", ")} ${source}${grouped}
     UNION ALL SELECT ${[...nothing, "1 AS is_whole", WHOLE_SUMS].join(", ")} ${source}`,
    conditions.parameters,
  ];
}

/** A table and the span of it that is summed. */
interface Part {
  readonly table: "daily_rollups" | "entries" | "rollups";
  readonly column: string;
  readonly from: number;
  readonly to: number;
  /** The bucket of a row; "" for none. */
  readonly bucket: string;
}

/** Whole days come from the daily sums, the hours at their edges from the hourly ones. */
function partsOf({ bucket, filter, scan }: SummaryQuery): readonly Part[] {
  const { fromMs, toMs } = filter;
  // Months are put together from days: databases tell them apart in ways of their own.
  const cut = (hour: string, day: string): string => ({ day, hour, month: day, none: "" })[bucket];
  if (scan) {
    const hour = `s.booked_ms / ${HOUR_MS}`;
    const byTime = cut(hour, `${hour} / ${DAY_HOURS}`);
    return [{ bucket: byTime, column: "s.booked_ms", from: fromMs, table: "entries", to: toMs }];
  }
  const [from, to] = [fromMs / HOUR_MS, toMs / HOUR_MS];
  const hourly = (first: number, last: number): Part => ({
    bucket: cut("s.hour", `s.hour / ${DAY_HOURS}`),
    column: "s.hour",
    from: first,
    table: "rollups",
    to: last,
  });
  const [firstDay, lastDay] = [Math.ceil(from / DAY_HOURS), Math.floor(to / DAY_HOURS)];
  if (bucket === "hour" || firstDay >= lastDay) return [hourly(from, to)];
  const days: Part = {
    bucket: cut("", "s.day"),
    column: "s.day",
    from: firstDay,
    table: "daily_rollups",
    to: lastDay,
  };
  const edges = [hourly(from, firstDay * DAY_HOURS), hourly(lastDay * DAY_HOURS, to)];
  return [days, ...edges.filter((edge) => edge.from < edge.to)];
}

/** The sums of each set of dimensions that is meant, by kind and bucket. */
function summedSql(
  { filter }: SummaryQuery,
  { bucket, column, from, table, to }: Part,
  conditions: Conditions,
): string {
  const meant = new Conditions(conditions);
  meant.add(`${column} >= ${meant.value(from)}`);
  meant.add(`${column} < ${meant.value(to)}`);
  filterSums(meant, filter);
  const measures = MEASURES.map((name) => `SUM(s.${name}) AS ${name}`);
  const [cut, by] = bucket === "" ? ["", ""] : [`${bucket} AS bucket, `, `, ${bucket}`];
  const count = table === "entries" ? "1" : "s.entries";
  return `SELECT s.dimension, s.kind, ${cut}SUM(${count}) AS entries, ${measures.join(", ")}
    FROM ${table} s${meant.where} GROUP BY s.dimension, s.kind${by}`;
}

const WHOLE_SUMS = [
  sumColumns("s.entries"),
  sumColumns("s.entries", "d.priced = 'no'", "unpriced_"),
  sumColumns("s.entries", "d.team = ''", "unattributed_"),
  ...ATTRIBUTION_FIELDS.flatMap((field) =>
    ["nano", "rest"].map(
      (part) =>
        `SUM(CASE WHEN d.${columnOf(field)} <> '' THEN s.cost_${part} ELSE 0 END) AS ${field}_${part}`,
    ),
  ),
].join(", ");

export function sumsOfRow(row: SqlRow, prefix = ""): Sums {
  const count = (name: string): number => Number(bigintOf(row[prefix + name]));
  const pico = (name: string): bigint =>
    picoOf(row[`${prefix}${name}_nano`], row[`${prefix}${name}_rest`]);
  return {
    calls: count("calls"),
    costPicoUsd: pico("cost"),
    entries: count("entries"),
    expired: count("expired"),
    expiredPicoUsd: pico("expired"),
    okCalls: count("ok_calls"),
    reserved: count("reserved"),
    tokens: tokensOfRow(row, prefix),
  };
}

function summaryRow(row: SqlRow, { bucket, groupBy }: SummaryQuery): SummaryRow {
  const group = Object.fromEntries(groupBy.map((name) => [name, String(row[columnOf(name)])]));
  const unitMs = bucket === "hour" ? HOUR_MS : 24 * HOUR_MS;
  const bucketMs = bucket === "none" ? 0 : Number(row["bucket"]) * unitMs;
  return { bucketMs, group, ...sumsOfRow(row) };
}

/** The dearest first within each bucket, the earliest bucket first. */
function byMonth(rows: readonly SummaryRow[], query: SummaryQuery): readonly SummaryRow[] {
  const merged = query.bucket === "month" ? mergeMonths(rows, query.groupBy) : rows;
  const filled = merged.filter(({ entries }) => entries > 0);
  return filled.toSorted((one, other) => {
    if (one.bucketMs !== other.bucketMs) return one.bucketMs - other.bucketMs;
    if (one.costPicoUsd !== other.costPicoUsd) return one.costPicoUsd > other.costPicoUsd ? -1 : 1;
    return groupText(one, query.groupBy) < groupText(other, query.groupBy) ? -1 : 1;
  });
}

function mergeMonths(rows: readonly SummaryRow[], groupBy: readonly Dimension[]): SummaryRow[] {
  const months = new Map<string, SummaryRow>();
  for (const row of rows) {
    const bucketMs = monthSpan(monthOf(row.bucketMs))?.fromMs ?? 0;
    const key = `${bucketMs} ${groupText(row, groupBy)}`;
    const before = months.get(key);
    const summed = before === undefined ? row : { ...row, ...addSums(before, row) };
    months.set(key, { ...summed, bucketMs });
  }
  return [...months.values()];
}

/** Two sums as one. */
function addSums(one: Sums, other: Sums): Sums {
  const tokens = TOKEN_CLASSES.map((name) => [name, one.tokens[name] + other.tokens[name]]);
  return {
    calls: one.calls + other.calls,
    costPicoUsd: one.costPicoUsd + other.costPicoUsd,
    entries: one.entries + other.entries,
    expired: one.expired + other.expired,
    expiredPicoUsd: one.expiredPicoUsd + other.expiredPicoUsd,
    okCalls: one.okCalls + other.okCalls,
    reserved: one.reserved + other.reserved,
    tokens: Object.fromEntries(tokens) as Sums["tokens"],
  };
}

function groupText({ group }: SummaryRow, groupBy: readonly Dimension[]): string {
  return JSON.stringify(groupBy.map((name) => group[name]));
}
