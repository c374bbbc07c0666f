import { DIMENSIONS, LEDGER_KINDS } from "../../engine/ledger/ledger-entry.ts";
import type { weir } from "../../proto/gen/weir.js";
import type { Cell, Column } from "./table.ts";

type Entry = weir.v1.LedgerEntry;

const text = (name: string, cell: (entry: Entry) => Cell): Column<Entry> => ({
  cell,
  kind: "text",
  name,
});
const integer = (name: string, cell: (entry: Entry) => Cell): Column<Entry> => ({
  cell,
  kind: "integer",
  name,
});

/** The ledger's entries as a table; `cost_usd` is exact. */
export const ENTRY_TABLE: readonly Column<Entry>[] = [
  text("id", ({ id }) => id),
  text("kind", ({ kind }) => LEDGER_KINDS[kind - 1] ?? ""),
  { cell: ({ atMs }) => atMs, kind: "time", name: "at" },
  { cell: ({ bookedMs }) => bookedMs, kind: "time", name: "booked" },
  text("decision_id", ({ decisionId }) => decisionId),
  text("run", ({ run }) => run),
  ...DIMENSIONS.map((name) => text(name, ({ dimensions }) => dimensions[name] ?? "")),
  { cell: ({ costPicoUsd }) => BigInt(costPicoUsd), kind: "decimal", name: "cost_usd" },
  integer("calls", ({ calls }) => calls),
  integer("input", ({ tokens }) => tokens?.input ?? 0),
  integer("cache_read", ({ tokens }) => tokens?.cacheRead ?? 0),
  integer("cache_write_5m", ({ tokens }) => tokens?.cacheWrite_5m ?? 0),
  integer("cache_write_1h", ({ tokens }) => tokens?.cacheWrite_1h ?? 0),
  integer("output", ({ tokens }) => tokens?.output ?? 0),
  integer("reasoning", ({ tokens }) => tokens?.reasoning ?? 0),
  text("flags", ({ flags }) => flags.join(" ")),
  text("writer", ({ writer }) => writer),
  integer("sequence", ({ sequence }) => sequence),
];
