import { rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { WeirError } from "../../engine/errors.ts";
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";

type Value = string | number | bigint | null;
type Row = Readonly<Record<string, unknown>>;

interface Insertion {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
  readonly onConflict: string;
}

const STATEMENTS_MAX = 64;

/**
 * The ledger's tables in one file, in write-ahead mode. It is derived from the log: a file of another
 * version, or one that is damaged, is deleted and made anew. Calls are synchronous below, so that it
 * belongs in a thread of its own.
 */
export class SqliteConnection {
  readonly #path: string;
  #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#path = path;
    this.#database = this.#openSound();
  }

  query(sql: string, parameters: readonly Value[] = []): Promise<readonly Row[]> {
    return attempt(() => {
      const statement = this.#prepared(sql);
      const named = Object.fromEntries(parameters.map((one, index) => [`$${index + 1}`, one]));
      return (parameters.length === 0 ? statement.all() : statement.all(named)) as Row[];
    });
  }

  insert({ columns, onConflict, rows, table }: Insertion): Promise<void> {
    return attempt(() => {
      if (rows.length === 0) return;
      const places = columns.map(() => "?").join(", ");
      const conflict = onConflict === "" ? "" : ` ON CONFLICT ${onConflict}`;
      const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places})${conflict}`;
      const statement = this.#prepared(sql);
      for (const row of rows) statement.run(...row);
    });
  }

  async transaction<Result>(work: (session: SqliteConnection) => Promise<Result>): Promise<Result> {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = await work(this);
      this.#database.exec("COMMIT");
      return result;
    } catch (thrown) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw thrown;
    }
  }

  /** Entries of every month are in one table. */
  prepare(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#statements.clear();
    this.#database.close();
    return Promise.resolve();
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    this.#statements.set(sql, statement);
    return statement;
  }

  #openSound(): DatabaseSync {
    try {
      return openFile(this.#path);
    } catch {
      for (const end of ["", "-wal", "-shm"]) rmSync(this.#path + end, { force: true });
      return openFile(this.#path);
    }
  }
}

/** Opens the file with its tables; throws where they are another version's or the file is damaged. */
function openFile(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000",
    );
    database.exec("PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY");
    const { user_version: version } = database.prepare("PRAGMA user_version").get() as {
      readonly user_version: number;
    };
    if (version === 0) database.exec(`BEGIN; ${SCHEMA} COMMIT`);
    else if (version !== SCHEMA_VERSION) throw new Error(`tables of version ${version}`);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** Runs at once, and fails as a promise does. */
function attempt<Result>(work: () => Result): Promise<Result> {
  try {
    return Promise.resolve(work());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return Promise.reject(
      new WeirError("ledger.unavailable", `the ledger's query store fails: ${why}`, { cause }),
    );
  }
}
