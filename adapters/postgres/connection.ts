import { Pool, type PoolClient, type QueryConfig } from "pg";
import { WeirError } from "../../engine/errors.ts";
import { monthOf, monthSpan } from "../../engine/ledger/month.ts";
import { migrate, type Migrated } from "./migrate.ts";

type Value = string | number | bigint | null;
type Row = Readonly<Record<string, unknown>>;

interface Insertion {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
  readonly onConflict: string;
}

interface Session {
  query(sql: string, parameters?: readonly Value[]): Promise<readonly Row[]>;
  insert(insertion: Insertion): Promise<void>;
  prepare(bookedMs: readonly number[]): Promise<void>;
}

/** Parameters of one statement: the protocol counts them in 16 bits. */
const PARAMETERS_MAX = 60_000;
const CONNECT_MS = 5_000;
/** How long a question may take, and a step of a batch. */
const QUERY_MS = 120_000;
const BATCH_MS = 15_000;
/** How long a server waits for the rest of a batch whose writer fell silent. */
const SILENT_MS = 30_000;
/** Lock under which batches are written, one after the other. */
const WRITE_LOCK = 7_350_002;

/** The ledger's tables in a Postgres that the nodes of a fleet share. */
export class PostgresConnection {
  readonly #pool: Pool;

  private constructor(url: string) {
    this.#pool = new Pool({
      application_name: "weir",
      connectionString: url,
      connectionTimeoutMillis: CONNECT_MS,
      idle_in_transaction_session_timeout: SILENT_MS,
      keepAlive: true,
      max: 4,
      statement_timeout: QUERY_MS,
    });
    // A connection that breaks fails what is asked of it, and is replaced at the next use.
    this.#pool.on("connect", (client) => void client.on("error", () => undefined));
    this.#pool.on("error", () => undefined);
  }

  /** Connects and brings the tables to this Weir's version. */
  static async open(url: string): Promise<PostgresConnection> {
    const connection = new PostgresConnection(url);
    try {
      await connection.migrate();
      return connection;
    } catch (thrown) {
      await connection.close();
      throw thrown;
    }
  }

  /** Connects to tables as they are. */
  static connect(url: string): PostgresConnection {
    return new PostgresConnection(url);
  }

  migrate(): Promise<Migrated> {
    return this.#with((client) => migrate(client));
  }

  query(sql: string, parameters: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#with((client) => run(client, sql, parameters, QUERY_MS));
  }

  insert(insertion: Insertion): Promise<void> {
    return this.#with((client) => sessionOf(client).insert(insertion));
  }

  prepare(bookedMs: readonly number[]): Promise<void> {
    return this.#with((client) => sessionOf(client).prepare(bookedMs));
  }

  /**
   * All or nothing, one writer of the fleet at a time: what a batch rests on (which months are closed,
   * what a decision was charged so far) does not change under it.
   */
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.#with(async (client) => {
      await run(client, "BEGIN", [], BATCH_MS);
      await run(client, "SELECT pg_advisory_xact_lock($1)", [WRITE_LOCK], BATCH_MS);
      const result = await work(sessionOf(client));
      await run(client, "COMMIT", [], BATCH_MS);
      return result;
    });
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  /** A connection on which anything failed is closed: with it ends what it had begun. */
  async #with<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    let client: PoolClient | null = null;
    try {
      client = await this.#pool.connect();
      const result = await work(client);
      client.release();
      return result;
    } catch (cause) {
      client?.release(true);
      if (cause instanceof WeirError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `the ledger's Postgres fails: ${why || "it does not answer"}`;
      throw new WeirError("ledger.unavailable", message, { cause });
    }
  }
}

function sessionOf(client: PoolClient): Session {
  return {
    insert: (insertion) => insertAll(client, insertion),
    prepare: (bookedMs) => preparePartitions(client, bookedMs),
    query: (sql, parameters = []) => run(client, sql, parameters, BATCH_MS),
  };
}

async function run(
  client: PoolClient,
  text: string,
  values: readonly Value[],
  timeoutMs: number,
): Promise<readonly Row[]> {
  const config: QueryConfig & { query_timeout: number } = {
    query_timeout: timeoutMs,
    text,
    values: [...values],
  };
  return (await client.query<Row>(config)).rows;
}

async function insertAll(client: PoolClient, insertion: Insertion): Promise<void> {
  const { columns, onConflict, rows, table } = insertion;
  const atOnce = Math.floor(PARAMETERS_MAX / columns.length);
  const conflict = onConflict === "" ? "" : ` ON CONFLICT ${onConflict}`;
  for (let at = 0; at < rows.length; at += atOnce) {
    const some = rows.slice(at, at + atOnce);
    const places = some.map((_row, index) => {
      const first = index * columns.length;
      return `(${columns.map((_column, offset) => `$${first + offset + 1}`).join(", ")})`;
    });
    const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${places.join(", ")}${conflict}`;
    await run(client, sql, some.flat(), BATCH_MS);
  }
}

/** Makes the partitions of the months that entries are counted in. */
async function preparePartitions(client: PoolClient, bookedMs: readonly number[]): Promise<void> {
  for (const month of new Set(bookedMs.map(monthOf))) {
    const span = monthSpan(month);
    if (span === null) throw new Error(`no month of the calendar: ${month}`);
    const table = `entries_${month.replace("-", "_")}`;
    const [found] = await run(client, "SELECT to_regclass($1) AS found", [table], BATCH_MS);
    if (found?.["found"] !== null) continue;
    const sql = `CREATE TABLE IF NOT EXISTS ${table} PARTITION OF entries FOR VALUES FROM (${span.fromMs}) TO (${span.toMs})`;
    await run(client, sql, [], BATCH_MS);
  }
}
