import type { ClientBase } from "pg";
import { WeirError } from "../../engine/errors.ts";
import { MIGRATIONS } from "./migrations.ts";

/** Lock that lets one process at a time change tables: any number that is ours alone. */
const MIGRATION_LOCK = 7_350_001;

/** What a database was brought to. */
export interface Migrated {
  readonly version: number;
  /** Names of the steps that were taken now. */
  readonly applied: readonly string[];
}

/**
 * Brings the tables to this Weir's version, each step and its note in one transaction. Tables of a
 * newer Weir are `config.invalid`: it must not write into what it does not know.
 */
export async function migrate(client: ClientBase): Promise<Migrated> {
  await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
  try {
    await client.query(
      "CREATE TABLE IF NOT EXISTS weir_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    );
    const { rows } = await client.query<{ version: number }>(
      "SELECT COALESCE(MAX(version), 0) AS version FROM weir_migrations",
    );
    const before = rows[0]?.version ?? 0;
    const known = MIGRATIONS.at(-1)?.version ?? 0;
    if (before > known) {
      const message = `ledger: the database is at migration ${before}, this Weir knows ${known}; start a newer one`;
      throw new WeirError("config.invalid", message);
    }
    const due = MIGRATIONS.filter(({ version }) => version > before);
    for (const { name, sql, version } of due) {
      await client.query("BEGIN");
      try {
        await client.query(sql);
        const note = "INSERT INTO weir_migrations (version, name) VALUES ($1, $2)";
        await client.query(note, [version, name]);
        await client.query("COMMIT");
      } catch (thrown) {
        await client.query("ROLLBACK");
        throw thrown;
      }
    }
    return { applied: due.map(({ name }) => name), version: known };
  } finally {
    await client.query("SELECT pg_advisory_unlock($1)", [MIGRATION_LOCK]);
  }
}
