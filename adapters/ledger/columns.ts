import { createHash } from "node:crypto";
import type { SqlRow, SqlValue } from "./connection.ts";
import {
  DIMENSIONS,
  type Dimension,
  type Dimensions,
  LEDGER_KINDS,
  type LedgerEntry,
  type LedgerKind,
  type TokenCounts,
} from "../../engine/ledger/ledger-entry.ts";
import { floorDiv, PICO_PER_NANO } from "../../engine/money.ts";
import { TOKEN_CLASSES } from "../../engine/pricing/rates.ts";

export const HOUR_MS = 3_600_000;
export const DAY_HOURS = 24;

/** Columns of sums, the same in `entries` and `rollups`. Money is whole nano-USD and the rest in pico-USD. */
export const MEASURES = ["calls", "ok_calls", "cost_nano", "cost_rest", ...TOKEN_CLASSES] as const;

export const ENTRY_COLUMNS = [
  "writer",
  "sequence",
  "part",
  "id",
  "kind",
  "at_ms",
  "booked_ms",
  "decision_id",
  "run",
  "dimension",
  ...MEASURES,
  "detail",
] as const;

/** A dimension's column: "user" is a word of SQL. */
export function columnOf(dimension: Dimension): string {
  return dimension === "user" ? "user_id" : dimension;
}

export const DIMENSION_COLUMNS = DIMENSIONS.map(columnOf);

/**
 * Id of a set of dimensions: 63 bits of a digest of its values, so that every writer gives the same
 * one without asking.
 */
export function dimensionId(dimensions: Dimensions): bigint {
  const text = JSON.stringify(DIMENSIONS.map((name) => dimensions[name]));
  const known = KNOWN.get(text);
  if (known !== undefined) return known;
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  const id = createHash("sha256").update(text).digest().readBigUInt64BE(0) >> 1n;
  KNOWN.set(text, id);
  return id;
}

const KNOWN_MAX = 20_000;
const KNOWN = new Map<string, bigint>();

/** Splits exact money into the two columns it is kept in; the rest is never negative. */
export function splitPico(picoUsd: bigint): { readonly nano: bigint; readonly rest: bigint } {
  const nano = floorDiv(picoUsd, PICO_PER_NANO);
  return { nano, rest: picoUsd - nano * PICO_PER_NANO };
}

/** An entry as its row, in the order of ENTRY_COLUMNS. */
export function entryRow(entry: LedgerEntry, dimension: bigint): readonly SqlValue[] {
  const { nano, rest } = splitPico(entry.costPicoUsd);
  return [
    entry.writer,
    entry.sequence,
    entry.part,
    entry.id,
    kindNumber(entry.kind),
    entry.atMs,
    entry.bookedMs,
    entry.decisionId,
    entry.run,
    dimension,
    entry.calls,
    entry.okCalls,
    nano,
    rest,
    ...TOKEN_CLASSES.map((name) => entry.tokens[name]),
    JSON.stringify(entry.detail),
  ];
}

/** The way back, from a row of entries joined with its dimensions. */
export function entryOfRow(row: SqlRow): LedgerEntry {
  return {
    atMs: Number(row["at_ms"]),
    bookedMs: Number(row["booked_ms"]),
    calls: Number(row["calls"]),
    costPicoUsd: picoOf(row["cost_nano"], row["cost_rest"]),
    decisionId: String(row["decision_id"]),
    detail: JSON.parse(String(row["detail"])) as LedgerEntry["detail"],
    dimensions: dimensionsOfRow(row),
    id: String(row["id"]),
    kind: LEDGER_KINDS[Number(row["kind"])] as LedgerKind,
    okCalls: Number(row["ok_calls"]),
    part: Number(row["part"]),
    run: String(row["run"]),
    sequence: Number(row["sequence"]),
    tokens: tokensOfRow(row),
    writer: String(row["writer"]),
  };
}

function dimensionsOfRow(row: SqlRow): Dimensions {
  return Object.fromEntries(
    DIMENSIONS.map((name) => [name, String(row[columnOf(name)])]),
  ) as Record<Dimension, string>;
}

/** Token sums of a row; `prefix` is that of the columns. */
export function tokensOfRow(row: SqlRow, prefix = ""): TokenCounts {
  return Object.fromEntries(
    TOKEN_CLASSES.map((name) => [name, Number(row[prefix + name] ?? 0)]),
  ) as Record<keyof TokenCounts, number>;
}

export function picoOf(nano: unknown, rest: unknown): bigint {
  return bigintOf(nano) * PICO_PER_NANO + bigintOf(rest);
}

/** A sum as databases give it: absent for no rows, decimal text for wide ones. */
export function bigintOf(value: unknown): bigint {
  return value === null || value === undefined ? 0n : BigInt(value as string | number | bigint);
}

export function kindNumber(kind: LedgerKind): number {
  return LEDGER_KINDS.indexOf(kind);
}
