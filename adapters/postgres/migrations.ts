/** One step of the tables; a step that shipped is never changed. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

const MEASURE_NAMES = [
  "calls",
  "ok_calls",
  "cost_nano",
  "cost_rest",
  "input",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "output",
  "reasoning",
];
const MEASURES = MEASURE_NAMES.map((name) => `${name} BIGINT NOT NULL`).join(", ");

/** Every step in order; columns and meaning as in SQLite. Keys sort by their bytes, as there. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: "ledger",
    sql: `
CREATE TABLE writers (
  writer TEXT COLLATE "C" PRIMARY KEY, sequence BIGINT NOT NULL, at_ms BIGINT NOT NULL
);
CREATE TABLE dimensions (
  id BIGINT PRIMARY KEY,
  tenant TEXT NOT NULL, team TEXT NOT NULL, feature TEXT NOT NULL, service TEXT NOT NULL,
  user_id TEXT NOT NULL, cost_center TEXT NOT NULL, environment TEXT NOT NULL,
  customer TEXT NOT NULL, principal TEXT NOT NULL, asked_model TEXT NOT NULL, model TEXT NOT NULL,
  provider TEXT NOT NULL, operation TEXT NOT NULL, service_tier TEXT NOT NULL,
  layer TEXT COLLATE "C" NOT NULL, basis TEXT NOT NULL, priced TEXT NOT NULL,
  price_row TEXT NOT NULL, price_book TEXT NOT NULL, bundle TEXT NOT NULL
);
CREATE TABLE decisions (
  id TEXT COLLATE "C" PRIMARY KEY, tenant TEXT NOT NULL, run TEXT NOT NULL, at_ms BIGINT NOT NULL,
  facts TEXT NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX decisions_by_run ON decisions (run) WHERE run <> '';
CREATE TABLE entries (
  writer TEXT COLLATE "C" NOT NULL, sequence BIGINT NOT NULL, part SMALLINT NOT NULL,
  id TEXT NOT NULL, kind SMALLINT NOT NULL, at_ms BIGINT NOT NULL, booked_ms BIGINT NOT NULL,
  decision_id TEXT NOT NULL, run TEXT NOT NULL, dimension BIGINT NOT NULL, ${MEASURES},
  detail TEXT NOT NULL,
  PRIMARY KEY (booked_ms, writer, sequence, part)
) PARTITION BY RANGE (booked_ms);
CREATE INDEX entries_by_decision ON entries (decision_id) WHERE decision_id <> '';
CREATE INDEX entries_by_run ON entries (run) WHERE run <> '';
CREATE TABLE rollups (
  hour BIGINT NOT NULL, dimension BIGINT NOT NULL, kind SMALLINT NOT NULL,
  entries BIGINT NOT NULL, ${MEASURES},
  PRIMARY KEY (hour, dimension, kind)
) WITH (fillfactor = 80);
CREATE TABLE balances (
  instance TEXT COLLATE "C" PRIMARY KEY, budget TEXT NOT NULL, unit TEXT NOT NULL,
  held BIGINT NOT NULL, settled BIGINT NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE price_rows (
  book TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, prices TEXT NOT NULL,
  PRIMARY KEY (book, id)
);
CREATE TABLE imports (source TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (source, id));
CREATE TABLE periods (
  tenant TEXT COLLATE "C" NOT NULL, month TEXT COLLATE "C" NOT NULL, closed TEXT NOT NULL,
  PRIMARY KEY (tenant, month)
);`,
    version: 1,
  },
  {
    name: "daily sums",
    sql: `
CREATE TABLE daily_rollups (
  day BIGINT NOT NULL, dimension BIGINT NOT NULL, kind SMALLINT NOT NULL,
  entries BIGINT NOT NULL, ${MEASURES},
  PRIMARY KEY (day, dimension, kind)
) WITH (fillfactor = 80);
INSERT INTO daily_rollups
  SELECT hour / 24, dimension, kind, ${["entries", ...MEASURE_NAMES].map((name) => `SUM(${name})`).join(", ")}
  FROM rollups GROUP BY hour / 24, dimension, kind;`,
    version: 2,
  },
];
