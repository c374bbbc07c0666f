import { join } from "node:path";

import { Ingest } from "../../adapters/ledger/ingest.ts";
import type { SqlConnection } from "../../adapters/ledger/connection.ts";
import { SqlQueryStore } from "../../adapters/ledger/store.ts";
import { LogTail } from "../../adapters/serve/log-tail.ts";
import { archivedPriceBooks } from "../../adapters/serve/price-books.ts";
import type { EntryFilter, ListQuery, SummaryQuery } from "../../engine/ledger/query.ts";

export const EVERYTHING: EntryFilter = {
  dimensions: {},
  fromMs: 0,
  kinds: [],
  tenants: null,
  toMs: 253_402_300_800_000,
};
export const WHOLE_LIST: ListQuery = {
  after: null,
  decisionId: "",
  filter: EVERYTHING,
  limit: 100_000,
  oldestFirst: true,
  run: "",
};
export const WHOLE_SUM: SummaryQuery = {
  bucket: "none",
  filter: EVERYTHING,
  groupBy: [],
  scan: false,
};

/** Takes a folder's log into a store, a few lines at a time. */
export async function ingestFolder(
  connection: SqlConnection,
  folder: string,
  writer = "w1",
  batchLines = 7,
): Promise<SqlQueryStore> {
  const ingest = new Ingest(connection, writer, archivedPriceBooks(join(folder, "bundles")));
  const tail = new LogTail(join(folder, "log"), await ingest.position());
  for (;;) {
    const lines = tail.next(batchLines);
    if (lines.length === 0) return new SqlQueryStore(connection);
    await ingest.take(lines);
  }
}
