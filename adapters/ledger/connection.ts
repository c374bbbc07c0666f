/** A value of a row or parameter; integers come back as bigint, number or decimal text. */
export type SqlValue = string | number | bigint | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** Rows to be stored at once. */
export interface Insertion {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
  /** What follows ON CONFLICT, as in "DO NOTHING"; "" for an error. */
  readonly onConflict: string;
}

/** What can be done within and without a transaction. Parameters are $1, $2, …. */
export interface SqlSession {
  query(sql: string, parameters?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  insert(insertion: Insertion): Promise<void>;
  /** Makes room for entries that are counted at these times, where they are kept by month. */
  prepare(bookedMs: readonly number[]): Promise<void>;
}

/**
 * A database that holds the ledger's tables. The SQL that goes over it is the same for SQLite and
 * Postgres. A database that does not answer is `ledger.unavailable`.
 */
export interface SqlConnection extends SqlSession {
  /** All or nothing. */
  transaction<Result>(work: (session: SqlSession) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}
