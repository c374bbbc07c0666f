import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Ingest } from "../../adapters/ledger/ingest.ts";
import type { SqlConnection } from "../../adapters/ledger/connection.ts";
import { SqlQueryStore } from "../../adapters/ledger/store.ts";
import { PostgresConnection } from "../../adapters/postgres/connection.ts";
import { LogTail } from "../../adapters/serve/log-tail.ts";
import { archivedPriceBooks } from "../../adapters/serve/price-books.ts";
import { SqliteConnection } from "../../adapters/sqlite/connection.ts";
import { DIMENSIONS } from "../../engine/ledger/ledger-entry.ts";
import type { ImportedRecord } from "../../engine/ledger/ledger-lines.ts";
import { EVERY_KIND } from "../support/budgets.ts";
import { openTestEngine, type TestEngine } from "../support/engine.ts";
import { EVERYTHING, ingestFolder, WHOLE_LIST, WHOLE_SUM } from "../support/ledger-store.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";

// Goal: SQLite and Postgres give the same answers to the same questions, after the same log, however
// it was cut in batches and whatever happened to the database meanwhile.
// Method: one log of lively traffic; every question to both; the server killed, stopped, and made to
// fail half way through a batch.

let postgres: TestPostgres;
let engine: TestEngine;
let folder: string;
beforeAll(async () => {
  postgres = await startTestPostgres();
  folder = mkdtempSync(join(tmpdir(), "weir-stores-"));
  engine = await openTestEngine({ data: { budgets: EVERY_KIND }, seed: "stores" });
  await new Traffic(engine, new Random(11)).run(250);
  engine.clock.advance(86_400_000);
  await engine.weir.sweep();
  await engine.weir.idle();
});
afterAll(async () => {
  await engine?.close();
  await postgres?.close();
  rmSync(folder, { force: true, recursive: true });
});

/** Start of the day of the traffic. */
const DAY_MS = Date.UTC(2026, 10, 25);

let files = 0;
const sqlite = (): SqlConnection => new SqliteConnection(join(folder, `${(files += 1)}.db`));
const server = async (): Promise<SqlConnection> =>
  PostgresConnection.open(await postgres.database());

/** Every question, asked in one place. */
async function answers(connection: SqlConnection) {
  const store = new SqlQueryStore(connection);
  const entries = await store.list(WHOLE_LIST);
  const middle = entries[Math.floor(entries.length / 2)];
  if (middle === undefined) throw new Error("no entries");
  const runs = [...new Set(entries.map(({ run }) => run))].filter((run) => run !== "");
  const narrow = {
    ...EVERYTHING,
    dimensions: { team: ["search"], user: ["", "ada"] },
    kinds: ["settled", "corrected"] as const,
    tenants: ["acme"],
  };
  return {
    balances: await store.balances(),
    decision: await store.decision(middle.decisionId),
    entries,
    latestFirst: await store.list({
      ...WHOLE_LIST,
      after: middle,
      filter: narrow,
      limit: 20,
      oldestFirst: false,
    }),
    nobody: await store.summarize({ ...WHOLE_SUM, filter: { ...EVERYTHING, tenants: [] } }),
    periods: await store.periods(null),
    positions: await store.positions(),
    priceRows: await store.priceRows(),
    runs: await Promise.all(runs.map((run) => store.run("acme", run))),
    scanned: await store.summarize({ ...WHOLE_SUM, bucket: "day", groupBy: ["model"], scan: true }),
    sums: await store.summarize({ ...WHOLE_SUM, bucket: "hour", groupBy: DIMENSIONS }),
    team: await store.summarize({
      ...WHOLE_SUM,
      bucket: "month",
      filter: narrow,
      groupBy: ["user"],
    }),
  };
}

test("the same log gives the same answers, in batches of any size", async () => {
  const [one, other] = [sqlite(), await server()];
  await ingestFolder(one, engine.folder, "w1", 1_000);
  await ingestFolder(other, engine.folder, "w1", 23);
  const wanted = await answers(one);
  expect(wanted.entries.length).toBeGreaterThan(200);
  expect(wanted.runs.length).toBeGreaterThan(2);
  expect(await answers(other)).toEqual(wanted);
  await one.close();
  await other.close();
});

describe.each([
  ["SQLite", async () => sqlite()],
  ["Postgres", server],
] as const)("%s", (_name, open) => {
  test("lines that come again count once; two writers' lines of one number are two", async () => {
    const connection = await open();
    await ingestFolder(connection, engine.folder, "w1");
    const before = await answers(connection);
    const ingest = new Ingest(connection, "w1", archivedPriceBooks(join(engine.folder, "bundles")));
    await ingest.take(new LogTail(join(engine.folder, "log"), 0).next(50));
    expect(await answers(connection)).toEqual(before);
    const cost = before.sums.total.costPicoUsd;
    await ingestFolder(connection, engine.folder, "w2");
    const store = new SqlQueryStore(connection);
    expect((await store.positions()).map(({ writer }) => writer)).toEqual(["w1", "w2"]);
    // The second writer's decisions are the first's: their charges are known, so they add nothing twice.
    expect((await store.summarize(WHOLE_SUM)).total.costPicoUsd).toBeGreaterThanOrEqual(cost);
    await connection.close();
  });

  test("a batch that fails half way leaves nothing; the next time it counts once", async () => {
    const connection = await open();
    const failing = failingAt(connection, "rollups");
    const books = archivedPriceBooks(join(engine.folder, "bundles"));
    const lines = new LogTail(join(engine.folder, "log"), 0).next(100_000);
    await expect(new Ingest(failing, "w1", books).take(lines)).rejects.toThrow(
      "the plug was pulled",
    );
    const store = new SqlQueryStore(connection);
    expect(await store.list(WHOLE_LIST)).toEqual([]);
    expect(await store.positions()).toEqual([]);
    await new Ingest(connection, "w1", books).take(lines);
    const other = sqlite();
    await ingestFolder(other, engine.folder, "w1");
    expect(await answers(connection)).toEqual(await answers(other));
    await other.close();
    await connection.close();
  });

  test("sums of any span and cut are those of its entries", async () => {
    const connection = await open();
    await ingestFolder(connection, engine.folder, "w1", 1_000);
    const store = new SqlQueryStore(connection);
    const hours = [0, 7, 12, 13, 24, 36, 48, 61];
    for (const [index, from] of hours.entries()) {
      for (const to of hours.slice(index + 1)) {
        const [fromMs, toMs] = [DAY_MS + from * 3_600_000, DAY_MS + to * 3_600_000];
        const filter = { ...EVERYTHING, fromMs, toMs };
        for (const bucket of ["none", "day", "hour"] as const) {
          const query = { ...WHOLE_SUM, bucket, filter, groupBy: ["team", "layer"] as const };
          const wanted = await store.summarize({ ...query, scan: true });
          expect(await store.summarize(query), `${from} to ${to}, ${bucket}`).toEqual(wanted);
        }
      }
    }
    await connection.close();
  });

  test("an import counts once by source and id, and in a closed month where it was booked", async () => {
    const connection = await open();
    const ingest = new Ingest(connection, "w1", () => null);
    const october = Date.UTC(2026, 9, 20);
    const december = Date.UTC(2026, 11, 2);
    const lines = [
      imported("a", october, october),
      imported("a", october, october),
      {
        actor: "ops",
        at_ms: december,
        cost_pico_usd: "0",
        entries: 0,
        kind: "closed" as const,
        month: "2026-10",
        reason: "done",
        tenant: "*",
        v: 1 as const,
      },
      imported("b", october, december),
    ];
    await ingest.take(lines.slice(0, 2).map((line, index) => ({ line, number: index + 1 })));
    await ingest.take(lines.map((line, index) => ({ line, number: index + 1 })));
    const store = new SqlQueryStore(connection);
    const { rows } = await store.summarize({ ...WHOLE_SUM, bucket: "month", groupBy: ["layer"] });
    expect(
      rows.map(({ bucketMs, costPicoUsd, group }) => [bucketMs, costPicoUsd, group.layer]),
    ).toEqual([
      [Date.UTC(2026, 9, 1), 7n, "tools"],
      [Date.UTC(2026, 11, 1), 7n, "tools"],
    ]);
    const [first, second] = await store.list(WHOLE_LIST);
    expect(first).toMatchObject({ bookedMs: october, kind: "imported" });
    expect(second).toMatchObject({ atMs: october, bookedMs: december, kind: "corrected" });
    expect(second?.detail.flags).toEqual(["closed_month"]);
    expect(await store.isImported("db", "b")).toBe(true);
    expect(await store.isImported("db", "c")).toBe(false);
    expect(await store.periods(["acme"])).toMatchObject([{ month: "2026-10", tenant: "*" }]);
    await connection.close();
  });
});

function imported(id: string, timeMs: number, atMs: number): ImportedRecord {
  return {
    actor: "ops",
    at_ms: atMs,
    attribution: {
      cost_center: "",
      customer: "",
      environment: "",
      feature: "",
      service: "",
      team: "search",
      user: "",
    },
    cost_pico_usd: "7",
    description: "",
    id,
    kind: "imported",
    layer: "tools",
    product: "qdrant:vectors",
    quantity: "1",
    run: "",
    source: "db",
    tenant: "acme",
    time_ms: timeMs,
    unit: "queries",
    v: 1,
  };
}

/** A connection on which inserts into a table fail. */
function failingAt(connection: SqlConnection, table: string): SqlConnection {
  return {
    close: () => connection.close(),
    insert: (insertion) => connection.insert(insertion),
    prepare: (bookedMs) => connection.prepare(bookedMs),
    query: (sql, parameters) => connection.query(sql, parameters),
    transaction: (work) =>
      connection.transaction((session) =>
        work({
          insert: (insertion) =>
            insertion.table === table
              ? Promise.reject(new Error("the plug was pulled"))
              : session.insert(insertion),
          prepare: (bookedMs) => session.prepare(bookedMs),
          query: (sql, parameters) => session.query(sql, parameters),
        }),
      ),
  };
}

describe.each([
  ["SQLite", async () => sqlite()],
  ["Postgres", server],
] as const)("a fleet's ledger in %s", (_name, open) => {
  test("what is stored before its decision is charged to whom the decision names", async () => {
    const books = archivedPriceBooks(join(engine.folder, "bundles"));
    const lines = new LogTail(join(engine.folder, "log"), 0).next(100_000);
    const isDecision = ({ line }: (typeof lines)[number]) => line.kind === "decision";
    const [late, known] = [await open(), await open()];
    const decided = lines.filter(isDecision);
    const settled = lines.filter((one) => !isDecision(one));
    const decide = (to: SqlConnection) => new Ingest(to, "decides", books).take(decided);
    const settle = async (to: SqlConnection) => {
      await new Ingest(to, "settles", books).take(settled.slice(0, 200));
      await new Ingest(to, "settles", books).take(settled.slice(200));
    };
    await settle(late);
    await decide(late);
    await decide(known);
    await settle(known);
    const [wanted, found] = [await spent(known), await spent(late)];
    expect(wanted.length).toBeGreaterThan(20);
    expect(found).toEqual(wanted);
    await late.close();
    await known.close();
  });
});

/** What was spent by every dimension, where anything was. */
async function spent(connection: SqlConnection) {
  const query = { ...WHOLE_SUM, bucket: "hour", groupBy: DIMENSIONS } as const;
  const { rows } = await new SqlQueryStore(connection).summarize(query);
  return rows
    .filter(({ calls, costPicoUsd }) => calls !== 0 || costPicoUsd !== 0n)
    .map(({ bucketMs, calls, costPicoUsd, group, okCalls, tokens }) => {
      return { bucketMs, calls, costPicoUsd, group, okCalls, tokens };
    });
}

describe("a Postgres that goes away", () => {
  test("killed in the middle and stopped for a while: nothing is lost, nothing doubled", async () => {
    const url = await postgres.database();
    const connection = await PostgresConnection.open(url);
    const ingest = new Ingest(connection, "w1", archivedPriceBooks(join(engine.folder, "bundles")));
    const log = join(engine.folder, "log");
    for (let round = 0; ; round += 1) {
      // A shipper begins again at the stored position, whatever happened.
      const position = await untilDone(() => ingest.position());
      const lines = new LogTail(log, position).next(300);
      if (lines.length === 0) break;
      const taking = ingest.take(lines).catch((thrown: unknown) => thrown);
      if (round % 2 === 0) {
        await postgres.kill();
        expect(["undefined", "object"]).toContain(typeof (await taking));
        await postgres.start();
      } else {
        postgres.pause();
        setTimeout(() => postgres.resume(), 300);
        await taking;
      }
    }
    const other = sqlite();
    await ingestFolder(other, engine.folder, "w1");
    expect(await answers(connection)).toEqual(await answers(other));
    await other.close();
    await connection.close();
  });

  test("sums by day are made for a database that had none", async () => {
    const url = await postgres.database();
    const connection = await PostgresConnection.open(url);
    await ingestFolder(connection, engine.folder, "w1", 1_000);
    const wanted = await answers(connection);
    await connection.query("DROP TABLE daily_rollups");
    await connection.query("DELETE FROM weir_migrations WHERE version = 2");
    await connection.close();
    const again = await PostgresConnection.open(url);
    expect(await answers(again)).toEqual(wanted);
    await again.close();
  });

  test("a database of a newer Weir is refused with what to do", async () => {
    const url = await postgres.database();
    const connection = await PostgresConnection.open(url);
    await connection.query("INSERT INTO weir_migrations (version, name) VALUES (99, 'to come')");
    await connection.close();
    await expect(PostgresConnection.open(url)).rejects.toMatchObject({
      code: "config.invalid",
      message: "ledger: the database is at migration 99, this Weir knows 2; start a newer one",
    });
  });
});

async function untilDone<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if ((thrown as { readonly code?: unknown }).code !== "ledger.unavailable") throw thrown;
    }
  }
}
