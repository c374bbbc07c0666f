import type { CostLayer } from "../../engine/ledger/cost-layer.ts";
import type { DecisionFacts } from "../../engine/ledger/decision-facts.ts";
import type { LedgerEntry, PriceRow } from "../../engine/ledger/ledger-entry.ts";
import type { ClosedRecord } from "../../engine/ledger/ledger-lines.ts";
import type {
  ListQuery,
  Period,
  PostedBalance,
  QueryStore,
  RunCost,
  Summary,
  SummaryQuery,
  WriterPosition,
} from "../../engine/ledger/query.ts";
import { bigintOf, DIMENSION_COLUMNS, entryOfRow, picoOf } from "./columns.ts";
import { afterKey, Conditions, filterBy } from "./conditions.ts";
import type { SqlConnection } from "./connection.ts";
import { sumColumns, summarize, sumsOfRow } from "./summaries.ts";

const ENTRY_SELECT = `SELECT e.*, ${DIMENSION_COLUMNS.map((name) => `d.${name}`).join(", ")}
  FROM entries e JOIN dimensions d ON d.id = e.dimension`;

/** The ledger's queries over SQL; the same text for every database. */
export class SqlQueryStore implements QueryStore {
  readonly #connection: SqlConnection;

  constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  async list(query: ListQuery): Promise<readonly LedgerEntry[]> {
    const { after, decisionId, filter, limit, oldestFirst, run } = query;
    const conditions = new Conditions();
    conditions.add(`e.booked_ms >= ${conditions.value(filter.fromMs)}`);
    conditions.add(`e.booked_ms < ${conditions.value(filter.toMs)}`);
    filterBy(conditions, filter, "e.kind");
    if (decisionId !== "") conditions.add(`e.decision_id = ${conditions.value(decisionId)}`);
    if (run !== "") conditions.add(`e.run = ${conditions.value(run)}`);
    if (after !== null) afterKey(conditions, after, oldestFirst);
    const way = oldestFirst ? "" : " DESC";
    const order = ["booked_ms", "writer", "sequence", "part"].map((name) => `e.${name}${way}`);
    const sql = `${ENTRY_SELECT}${conditions.where} ORDER BY ${order.join(", ")} LIMIT ${conditions.value(limit)}`;
    return (await this.#connection.query(sql, conditions.parameters)).map(entryOfRow);
  }

  async decision(id: string): Promise<DecisionFacts | null> {
    const rows = await this.#connection.query("SELECT facts FROM decisions WHERE id = $1", [id]);
    const [row] = rows;
    return row === undefined ? null : (JSON.parse(String(row["facts"])) as DecisionFacts);
  }

  async decisionsOf(
    tenants: readonly string[] | null,
    run: string,
  ): Promise<readonly DecisionFacts[]> {
    const conditions = new Conditions();
    conditions.add(`run = ${conditions.value(run)}`);
    if (tenants !== null) conditions.in("tenant", tenants);
    const sql = `SELECT facts FROM decisions${conditions.where} ORDER BY at_ms, id LIMIT 1000`;
    const rows = await this.#connection.query(sql, conditions.parameters);
    return rows.map(({ facts }) => JSON.parse(String(facts)) as DecisionFacts);
  }

  summarize(query: SummaryQuery): Promise<Summary> {
    return summarize(this.#connection, query);
  }

  async run(tenant: string, run: string): Promise<RunCost | null> {
    const [found] = await this.#connection.query(
      "SELECT COUNT(*) AS decisions, MIN(at_ms) AS first_ms, MAX(at_ms) AS last_ms FROM decisions WHERE run = $1 AND tenant = $2",
      [run, tenant],
    );
    const rows = await this.#connection.query(
      `SELECT d.layer AS layer, ${RUN_SUMS} FROM entries s JOIN dimensions d ON d.id = s.dimension
       WHERE s.run = $1 AND d.tenant = $2 GROUP BY d.layer ORDER BY d.layer`,
      [run, tenant],
    );
    const decisions = Number(found?.["decisions"] ?? 0);
    if (rows.length === 0 && decisions === 0) return null;
    const [total = {}] = await this.#connection.query(
      `SELECT ${RUN_SUMS} FROM entries s JOIN dimensions d ON d.id = s.dimension WHERE s.run = $1 AND d.tenant = $2`,
      [run, tenant],
    );
    const [first] = await this.#connection.query(
      `SELECT SUM(s.cost_nano) AS nano, SUM(s.cost_rest) AS rest FROM entries s
         JOIN dimensions d ON d.id = s.dimension JOIN decisions c ON c.id = s.decision_id
       WHERE s.run = $1 AND d.tenant = $2 AND d.layer = 'inference'
       GROUP BY c.at_ms, s.decision_id HAVING SUM(s.cost_nano * 1000 + s.cost_rest) > 0
       ORDER BY c.at_ms, s.decision_id LIMIT 1`,
      [run, tenant],
    );
    return {
      decisions,
      firstInferencePicoUsd: picoOf(first?.["nano"], first?.["rest"]),
      firstMs: Number(found?.["first_ms"] ?? 0),
      lastMs: Number(found?.["last_ms"] ?? 0),
      layers: rows.map((row) => ({ layer: String(row["layer"]) as CostLayer, ...sumsOfRow(row) })),
      run,
      tenant,
      total: sumsOfRow(total),
    };
  }

  async periods(tenants: readonly string[] | null): Promise<readonly Period[]> {
    const conditions = new Conditions();
    if (tenants !== null) conditions.in("tenant", [...tenants, "*"]);
    const sql = `SELECT closed FROM periods${conditions.where} ORDER BY month DESC, tenant`;
    const rows = await this.#connection.query(sql, conditions.parameters);
    return rows.map(({ closed }) => periodOf(JSON.parse(String(closed)) as ClosedRecord));
  }

  async isImported(source: string, id: string): Promise<boolean> {
    const sql = "SELECT 1 AS found FROM imports WHERE source = $1 AND id = $2";
    return (await this.#connection.query(sql, [source, id])).length > 0;
  }

  async balances(): Promise<readonly PostedBalance[]> {
    const rows = await this.#connection.query("SELECT * FROM balances ORDER BY instance");
    return rows.map((row) => ({
      budget: String(row["budget"]),
      held: bigintOf(row["held"]),
      instance: String(row["instance"]),
      settled: bigintOf(row["settled"]),
      unit: String(row["unit"]),
    }));
  }

  async priceRows(): Promise<readonly PriceRow[]> {
    const rows = await this.#connection.query("SELECT prices FROM price_rows ORDER BY book, id");
    return rows.map(({ prices }) => {
      const row = JSON.parse(String(prices)) as PriceRow & { readonly requestPicoUsd: string };
      return { ...row, requestPicoUsd: BigInt(row.requestPicoUsd) };
    });
  }

  async positions(): Promise<readonly WriterPosition[]> {
    const rows = await this.#connection.query("SELECT * FROM writers ORDER BY writer");
    return rows.map((row) => ({
      atMs: Number(row["at_ms"]),
      sequence: Number(row["sequence"]),
      writer: String(row["writer"]),
    }));
  }
}

const RUN_SUMS = sumColumns("1");

function periodOf(record: ClosedRecord): Period {
  return {
    actor: record.actor,
    closedMs: record.at_ms,
    costPicoUsd: BigInt(record.cost_pico_usd),
    entries: record.entries,
    month: record.month,
    reason: record.reason,
    tenant: record.tenant,
  };
}
