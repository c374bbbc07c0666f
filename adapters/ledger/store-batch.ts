import { TOKEN_CLASSES } from "../../engine/pricing/rates.ts";
import { DIMENSIONS, type Dimensions, type LedgerEntry } from "../../engine/ledger/ledger-entry.ts";
import {
  DAY_HOURS,
  DIMENSION_COLUMNS,
  dimensionId,
  ENTRY_COLUMNS,
  entryRow,
  HOUR_MS,
  kindNumber,
  MEASURES,
  splitPico,
} from "./columns.ts";
import type { SqlSession, SqlValue } from "./connection.ts";
import type { DerivedBatch } from "./ingest.ts";

/** Writes a batch: entries and what is summed from them change together. */
export async function storeBatch(session: SqlSession, batch: DerivedBatch): Promise<void> {
  const sets = new Map<bigint, Dimensions>();
  const rows = batch.entries.map((entry) => {
    const id = dimensionId(entry.dimensions);
    sets.set(id, entry.dimensions);
    return entryRow(entry, id);
  });
  await session.insert({
    columns: ["id", ...DIMENSION_COLUMNS],
    onConflict: "(id) DO NOTHING",
    rows: [...sets].map(([id, set]) => [id, ...DIMENSIONS.map((name) => set[name])]),
    table: "dimensions",
  });
  await session.prepare(batch.entries.map(({ bookedMs }) => bookedMs));
  await session.insert({ columns: ENTRY_COLUMNS, onConflict: "", rows, table: "entries" });
  await storeSums(session, batch.entries, { column: "hour", ms: HOUR_MS, table: "rollups" });
  await storeSums(session, batch.entries, {
    column: "day",
    ms: DAY_HOURS * HOUR_MS,
    table: "daily_rollups",
  });
  await storeBalances(session, batch.entries);
  await storeDecisions(session, batch);
  await storeRest(session, batch);
}

interface SumTable {
  readonly table: string;
  readonly column: string;
  /** Length of what it sums. */
  readonly ms: number;
}

async function storeSums(
  session: SqlSession,
  entries: readonly LedgerEntry[],
  { column, ms, table }: SumTable,
): Promise<void> {
  const sums = new Map<string, bigint[]>();
  const keys = new Map<string, readonly SqlValue[]>();
  for (const entry of entries) {
    const time = Math.floor(entry.bookedMs / ms);
    const key = [time, dimensionId(entry.dimensions), kindNumber(entry.kind)] as const;
    const name = key.join(" ");
    keys.set(name, key);
    const { nano, rest } = splitPico(entry.costPicoUsd);
    const tokens = TOKEN_CLASSES.map((token) => BigInt(entry.tokens[token]));
    const added = [1n, BigInt(entry.calls), BigInt(entry.okCalls), nano, rest, ...tokens];
    const sum = sums.get(name);
    if (sum === undefined) sums.set(name, added);
    else for (const [index, value] of added.entries()) sum[index] = (sum[index] ?? 0n) + value;
  }
  const measures = ["entries", ...MEASURES];
  await session.insert({
    columns: [column, "dimension", "kind", ...measures],
    onConflict: `(${column}, dimension, kind) DO UPDATE SET ${adding(table, measures)}`,
    rows: inOneOrder(sums).map(([name, sum]) => [...(keys.get(name) ?? []), ...sum]),
    table,
  });
}

async function storeBalances(session: SqlSession, entries: readonly LedgerEntry[]): Promise<void> {
  const sums = new Map<string, { budget: string; unit: string; held: bigint; settled: bigint }>();
  for (const { detail } of entries) {
    for (const { budget, held_delta, instance, settled_delta, unit } of detail.postings) {
      const sum = sums.get(instance) ?? { budget, held: 0n, settled: 0n, unit };
      sum.held += BigInt(held_delta);
      sum.settled += BigInt(settled_delta);
      sums.set(instance, sum);
    }
  }
  await session.insert({
    columns: ["instance", "budget", "unit", "held", "settled"],
    onConflict: `(instance) DO UPDATE SET ${adding("balances", ["held", "settled"])}`,
    rows: inOneOrder(sums).map(([instance, sum]) => [
      instance,
      sum.budget,
      sum.unit,
      sum.held,
      sum.settled,
    ]),
    table: "balances",
  });
}

/** Writers that change the same rows take them in one order, so that none waits for the other. */
function inOneOrder<Sum>(sums: ReadonlyMap<string, Sum>): readonly (readonly [string, Sum])[] {
  return [...sums].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function adding(table: string, columns: readonly string[]): string {
  return columns.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(", ");
}

async function storeDecisions(session: SqlSession, { facts }: DerivedBatch): Promise<void> {
  await session.insert({
    columns: ["id", "tenant", "run", "at_ms", "facts"],
    onConflict: "(id) DO UPDATE SET facts = excluded.facts",
    rows: facts.map((one) => [one.id, one.tenant, one.run, one.at_ms, JSON.stringify(one)]),
    table: "decisions",
  });
}

async function storeRest(session: SqlSession, batch: DerivedBatch): Promise<void> {
  await session.insert({
    columns: ["book", "id", "prices"],
    onConflict: "(book, id) DO NOTHING",
    rows: batch.priceRows.map((row) => [
      row.book,
      row.id,
      JSON.stringify({ ...row, requestPicoUsd: String(row.requestPicoUsd) }),
    ]),
    table: "price_rows",
  });
  await session.insert({
    columns: ["source", "id"],
    onConflict: "(source, id) DO NOTHING",
    rows: batch.imports.map(({ id, source }) => [source, id]),
    table: "imports",
  });
  await session.insert({
    columns: ["tenant", "month", "closed"],
    onConflict: "(tenant, month) DO NOTHING",
    rows: batch.closed.map((one) => [one.tenant, one.month, JSON.stringify(one)]),
    table: "periods",
  });
}
