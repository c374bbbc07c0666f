import { loadConfig } from "../../config.ts";
import { PostgresConnection } from "../../postgres/connection.ts";
import { isPostgres } from "../../serve/ledger-messages.ts";
import type { Invocation } from "../command.ts";

/** Brings the tables of the ledger's Postgres to this Weir's version, as a start does too. */
export async function run({ json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  if (!isPostgres(config.ledger)) {
    const message = `nothing to migrate: the ledger is kept in ${config.ledger === "off" ? "no database" : "SQLite, which is made from the log"}`;
    terminal.print(json ? JSON.stringify({ applied: [], version: null }) : message);
    return 0;
  }
  const connection = PostgresConnection.connect(config.ledger);
  try {
    const { applied, version } = await connection.migrate();
    const done = applied.length === 0 ? "they were already" : `applied: ${applied.join(", ")}`;
    const text = `the ledger's tables are at version ${version}; ${done}`;
    terminal.print(json ? JSON.stringify({ applied, version }) : text);
    return 0;
  } finally {
    await connection.close();
  }
}
