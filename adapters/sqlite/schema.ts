/** Raised with every change of the tables: an older file is made anew from the log. */
export const SCHEMA_VERSION = 2;

const MEASURES = `
  calls INTEGER NOT NULL,
  ok_calls INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  cost_rest INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL`;

/** The ledger's tables; columns and meaning as in Postgres. */
export const SCHEMA = `
CREATE TABLE writers (
  writer TEXT PRIMARY KEY, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dimensions (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, team TEXT NOT NULL, feature TEXT NOT NULL, service TEXT NOT NULL,
  user_id TEXT NOT NULL, cost_center TEXT NOT NULL, environment TEXT NOT NULL,
  customer TEXT NOT NULL, principal TEXT NOT NULL, asked_model TEXT NOT NULL, model TEXT NOT NULL,
  provider TEXT NOT NULL, operation TEXT NOT NULL, service_tier TEXT NOT NULL, layer TEXT NOT NULL,
  basis TEXT NOT NULL, priced TEXT NOT NULL, price_row TEXT NOT NULL, price_book TEXT NOT NULL,
  bundle TEXT NOT NULL
);
CREATE TABLE decisions (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, run TEXT NOT NULL, at_ms INTEGER NOT NULL,
  facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_by_run ON decisions (run) WHERE run <> '';
CREATE TABLE entries (
  writer TEXT NOT NULL, sequence INTEGER NOT NULL, part INTEGER NOT NULL, id TEXT NOT NULL,
  kind INTEGER NOT NULL, at_ms INTEGER NOT NULL, booked_ms INTEGER NOT NULL,
  decision_id TEXT NOT NULL, run TEXT NOT NULL, dimension INTEGER NOT NULL, ${MEASURES},
  detail TEXT NOT NULL,
  PRIMARY KEY (writer, sequence, part)
) WITHOUT ROWID;
CREATE INDEX entries_by_time ON entries (booked_ms);
CREATE INDEX entries_by_decision ON entries (decision_id) WHERE decision_id <> '';
CREATE INDEX entries_by_run ON entries (run) WHERE run <> '';
CREATE TABLE rollups (
  hour INTEGER NOT NULL, dimension INTEGER NOT NULL, kind INTEGER NOT NULL,
  entries INTEGER NOT NULL, ${MEASURES},
  PRIMARY KEY (hour, dimension, kind)
) WITHOUT ROWID;
CREATE TABLE daily_rollups (
  day INTEGER NOT NULL, dimension INTEGER NOT NULL, kind INTEGER NOT NULL,
  entries INTEGER NOT NULL, ${MEASURES},
  PRIMARY KEY (day, dimension, kind)
) WITHOUT ROWID;
CREATE TABLE balances (
  instance TEXT PRIMARY KEY, budget TEXT NOT NULL, unit TEXT NOT NULL,
  held INTEGER NOT NULL, settled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE price_rows (
  book TEXT NOT NULL, id TEXT NOT NULL, prices TEXT NOT NULL, PRIMARY KEY (book, id)
) WITHOUT ROWID;
CREATE TABLE imports (source TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE TABLE periods (
  tenant TEXT NOT NULL, month TEXT NOT NULL, closed TEXT NOT NULL, PRIMARY KEY (tenant, month)
) WITHOUT ROWID;
PRAGMA user_version = ${SCHEMA_VERSION};
`;
