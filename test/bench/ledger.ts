import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { DIMENSION_COLUMNS, HOUR_MS, MEASURES } from "../../adapters/ledger/columns.ts";
import type { SqlConnection } from "../../adapters/ledger/connection.ts";
import { SqlQueryStore } from "../../adapters/ledger/store.ts";
import { PostgresConnection } from "../../adapters/postgres/connection.ts";
import { SqliteConnection } from "../../adapters/sqlite/connection.ts";
import { DIMENSIONS, LEDGER_KINDS } from "../../engine/ledger/ledger-entry.ts";
import { monthSpan } from "../../engine/ledger/month.ts";
import type { SummaryQuery } from "../../engine/ledger/query.ts";
import { startTestPostgres } from "../support/postgres.ts";
import { type Bench, type BenchOptions, type Measured, rowOf } from "./row.ts";

const MONTH = "2026-11";
const ENTRIES = { full: 10_000_000, quick: 40_000 };
const RUNS = { full: 20, quick: 3 };
const TARGET_MS = 1_000;
/** Rows that one statement writes. */
const CHUNK = 500_000;
const TEAMS = 10;
const MODELS = 5;
/** Sets of dimensions: each team's features and users on each model. */
const SETS = 1_000;

export const SUMMARY_POSTGRES: Bench = {
  name: "summary_10m_postgres",
  run: measurePostgres,
  target: `p50 ≤ ${TARGET_MS / 1_000} s`,
  what: "a month of 10 million entries by team and model, Postgres on the same machine",
};

export const SUMMARY_EMBEDDED: Bench = {
  name: "summary_10m_embedded",
  run: measureEmbedded,
  target: "",
  what: "the same in SQLite",
};

async function measurePostgres(options: BenchOptions): Promise<Measured> {
  const postgres = await startTestPostgres();
  try {
    const connection = await PostgresConnection.open(await postgres.database());
    const measured = await measure(SUMMARY_POSTGRES.name, connection, numbersOfPostgres, options);
    await connection.close();
    return { ...measured, met: measured.row.p50_us <= TARGET_MS * 1_000 };
  } finally {
    await postgres.close();
  }
}

async function measureEmbedded(options: BenchOptions): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    const connection = new SqliteConnection(join(folder, "ledger.db"));
    const measured = await measure(SUMMARY_EMBEDDED.name, connection, numbersOfSqlite, options);
    await connection.close();
    return measured;
  } finally {
    rmSync(folder, { force: true, recursive: true });
  }
}

/** A source of the whole numbers of a span as column `i`. */
type Numbers = (from: number, to: number) => { readonly before: string; readonly from: string };

const numbersOfPostgres: Numbers = (from, to) => ({
  before: "",
  from: `generate_series(${from}::bigint, ${to - 1}::bigint) AS n(i)`,
});
const numbersOfSqlite: Numbers = (from, to) => ({
  before: `WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to - 1})`,
  from: "n",
});

const SPAN = monthSpan(MONTH) ?? { fromMs: 0, toMs: 0 };

async function measure(
  name: string,
  connection: SqlConnection,
  numbers: Numbers,
  { quick }: BenchOptions,
): Promise<Measured> {
  const count = quick ? ENTRIES.quick : ENTRIES.full;
  await fill(connection, numbers, count);
  const store = new SqlQueryStore(connection);
  const query: SummaryQuery = {
    bucket: "none",
    filter: { dimensions: {}, kinds: [], tenants: null, ...SPAN },
    groupBy: ["team", "model"],
    scan: false,
  };
  const latencies = new Float64Array(quick ? RUNS.quick : RUNS.full);
  const summary = await store.summarize(query);
  const startedMs = performance.now();
  for (const index of latencies.keys()) {
    const sentMs = performance.now();
    await store.summarize(query);
    latencies[index] = (performance.now() - sentMs) * 1_000;
  }
  const totalMs = performance.now() - startedMs;
  const scanMs = performance.now();
  const scanned = await store.summarize({ ...query, scan: true });
  const scanSeconds = ((performance.now() - scanMs) / 1_000).toFixed(1);
  if (scanned.total.entries !== count || summary.rows.length !== TEAMS * MODELS) {
    throw new Error(`${scanned.total.entries} entries in ${summary.rows.length} groups`);
  }
  if (scanned.total.costPicoUsd !== summary.total.costPicoUsd) {
    throw new Error("the hourly sums differ from the entries");
  }
  const [sums] = await connection.query("SELECT COUNT(*) AS found FROM daily_rollups");
  const note = `${count} entries in ${String(sums?.["found"])} daily sums; reading every entry takes ${scanSeconds} s`;
  return { met: null, row: rowOf(name, latencies, totalMs, note) };
}

/** Half of the entries are reserved, half settled, spread evenly over the month. */
async function fill(connection: SqlConnection, numbers: Numbers, count: number): Promise<void> {
  await connection.insert({
    columns: ["id", ...DIMENSION_COLUMNS],
    onConflict: "",
    rows: Array.from({ length: SETS }, (_, index) => [index, ...dimensionsOf(index)]),
    table: "dimensions",
  });
  await connection.prepare([SPAN.fromMs]);
  const stepMs = Math.floor((SPAN.toMs - SPAN.fromMs) / count);
  const [reserved, settled] = [LEDGER_KINDS.indexOf("reserved"), LEDGER_KINDS.indexOf("settled")];
  for (let at = 0; at < count; at += CHUNK) {
    const { before, from } = numbers(at, Math.min(at + CHUNK, count));
    const time = `${SPAN.fromMs} + i * ${stepMs}`;
    const spent = (figure: string): string => `CASE WHEN i % 2 = 0 THEN 0 ELSE ${figure} END`;
    const tokens = ["200 + i % 900", "100", "0", "0", "50 + i % 300", "0"].map(spent);
    await connection.query(
      `${before} INSERT INTO entries SELECT 'w1', i + 1, 0, 'e' || i,
         CASE WHEN i % 2 = 0 THEN ${reserved} ELSE ${settled} END, ${time}, ${time}, 'd' || (1000000000000 + i / 2),
         '', (i / 2) * 7919 % ${SETS}, ${spent("1")}, ${spent("1")},
         ${spent("100000 + i % 1000")}, ${spent("i % 1000")}, ${tokens.join(", ")}, '{}'
       FROM ${from} WHERE 1 = 1`,
    );
  }
  const sums = MEASURES.map((name) => `SUM(${name})`).join(", ");
  for (let hour = SPAN.fromMs; hour < SPAN.toMs; hour += 24 * HOUR_MS) {
    await connection.query(
      `INSERT INTO rollups SELECT booked_ms / ${HOUR_MS}, dimension, kind, COUNT(*), ${sums}
       FROM entries WHERE booked_ms >= ${hour} AND booked_ms < ${hour + 24 * HOUR_MS}
       GROUP BY booked_ms / ${HOUR_MS}, dimension, kind`,
    );
  }
  await connection.query(
    `INSERT INTO daily_rollups SELECT hour / 24, dimension, kind, SUM(entries), ${sums}
     FROM rollups GROUP BY hour / 24, dimension, kind`,
  );
  await connection.query("ANALYZE");
}

function dimensionsOf(index: number): readonly string[] {
  const team = index % TEAMS;
  const model = Math.floor(index / TEAMS) % MODELS;
  const named: Readonly<Record<string, string>> = {
    basis: "provider",
    layer: "inference",
    model: `openai:model-${model}`,
    priced: "yes",
    provider: "openai",
    team: `team-${team}`,
    tenant: "acme",
    user: `user-${index}`,
  };
  return DIMENSIONS.map((name) => named[name] ?? "");
}
