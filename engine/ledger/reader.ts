import { WeirError } from "../errors.ts";
import { checkReader, mayRead, readableTenants } from "../intent/claims.ts";
import type { BundleData } from "../policy/bundle-data.ts";
import type { Clock, RecordLog } from "../ports.ts";
import { canonicalJson } from "../record/canonical.ts";
import { RECORD_VERSION } from "../record/record.ts";
import type { Caller } from "../weir.ts";
import type { DecisionFacts } from "./decision-facts.ts";
import { importCosts, type ImportResult } from "./import-costs.ts";
import type { LedgerEntry, PriceRow } from "./ledger-entry.ts";
import {
  type AskedFilter,
  pageToken,
  parseClose,
  parseDecisionId,
  parseList,
  parseRun,
  parseSummary,
} from "./parse-query.ts";
import type { EntryFilter, Period, QueryStore, RunCost, Summary, SummaryQuery } from "./query.ts";

/** What an adapter hands over before anything is checked. */
export interface RawFilter {
  readonly tenant?: unknown;
  /** Lists of `{field, values}`. */
  readonly match?: unknown;
  readonly kinds?: unknown;
  readonly fromMs?: unknown;
  readonly toMs?: unknown;
}
export interface RawList extends RawFilter {
  readonly run?: unknown;
  readonly decisionId?: unknown;
  readonly oldestFirst?: unknown;
  readonly pageSize?: unknown;
  readonly pageToken?: unknown;
}
export interface RawSummary extends RawFilter {
  readonly groupBy?: unknown;
  readonly bucket?: unknown;
  readonly scan?: unknown;
}
export interface RawRun {
  readonly tenant?: unknown;
  readonly run?: unknown;
}
export interface RawClose {
  readonly tenant?: unknown;
  readonly month?: unknown;
  readonly reason?: unknown;
}

export interface EntryPage {
  readonly entries: readonly LedgerEntry[];
  /** Where the next page begins; "": there is none. */
  readonly nextPageToken: string;
}

export interface DecisionEntries {
  readonly decision: DecisionFacts;
  readonly entries: readonly LedgerEntry[];
}

export interface SummaryAnswer extends Summary {
  readonly query: SummaryQuery;
}

/**
 * The ledger's side of an engine. The caller needs one of the roles reader, auditor and operator, and
 * the tenant among its own (`auth.denied`); input that is wrong is `ledger.invalid`. What an auditor
 * reads is in the log before it is answered. Throws WeirError and nothing else.
 */
export interface LedgerReader {
  list(raw: RawList, caller: Caller): Promise<EntryPage>;
  /** A decision and its entries, the first of them first. */
  decision(decisionId: unknown, caller: Caller): Promise<DecisionEntries>;
  summarize(raw: RawSummary, caller: Caller): Promise<SummaryAnswer>;
  /** Without a tenant: the one run of that id among the caller's tenants. */
  run(raw: RawRun, caller: Caller): Promise<RunCost>;
  periods(raw: { readonly tenant?: unknown }, caller: Caller): Promise<readonly Period[]>;
  priceRows(caller: Caller): Promise<readonly PriceRow[]>;
  /** Fixes a month that is over: what comes into it later is a correction, counted when it comes. */
  close(raw: RawClose, caller: Caller): Promise<Period>;
  /** Takes in costs that no model call caused; the same source and id counts once. */
  importCosts(raw: unknown, caller: Caller): Promise<ImportResult>;
}

export interface LedgerPorts {
  readonly store: QueryStore;
  readonly log: RecordLog;
  readonly clock: Clock;
  readonly config: () => BundleData;
}

export function createLedgerReader(ports: LedgerPorts): LedgerReader {
  return new Reader(ports);
}

/** Entries of one decision that are listed: far more than any has. */
const ENTRIES_OF_ONE = 1_000;
const QUERY_CHARS = 1_000;

class Reader implements LedgerReader {
  readonly #ports: LedgerPorts;
  /** The change under way: they are made one after the other. */
  #latest: Promise<unknown> = Promise.resolve();

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
  }

  list(raw: RawList, caller: Caller): Promise<EntryPage> {
    return this.#read("list", raw, caller, async () => {
      const { filter, query } = parseList(raw);
      const entries = await this.#ports.store.list({
        ...query,
        filter: this.#seen(filter, caller),
      });
      const last = entries.length === query.limit ? entries.at(-1) : undefined;
      return { entries, nextPageToken: last === undefined ? "" : pageToken(last) };
    });
  }

  decision(decisionId: unknown, caller: Caller): Promise<DecisionEntries> {
    return this.#read("get", { decision_id: decisionId }, caller, async () => {
      const id = parseDecisionId(decisionId);
      const decision = await this.#ports.store.decision(id);
      if (decision === null || !mayRead(this.#principals, caller.principal, decision.tenant)) {
        throw new WeirError("decision.not_found", `no decision ${id}`);
      }
      const filter = { dimensions: {}, fromMs: 0, kinds: [], tenants: null, toMs: FOREVER_MS };
      const entries = await this.#ports.store.list({
        after: null,
        decisionId: id,
        filter,
        limit: ENTRIES_OF_ONE,
        oldestFirst: true,
        run: "",
      });
      return { decision, entries };
    });
  }

  summarize(raw: RawSummary, caller: Caller): Promise<SummaryAnswer> {
    return this.#read("summarize", raw, caller, async () => {
      const asked = parseSummary(raw);
      const query = { ...asked.query, filter: this.#seen(asked.filter, caller) };
      return { ...(await this.#ports.store.summarize(query)), query };
    });
  }

  run(raw: RawRun, caller: Caller): Promise<RunCost> {
    return this.#read("run", raw, caller, async () => {
      const { run, tenant } = parseRun(raw);
      const tenants = this.#tenantsFor(tenant, caller);
      const decisions = await this.#ports.store.decisionsOf(tenants, run);
      const found = [...new Set(decisions.map((one) => one.tenant))];
      if (found.length > 1) {
        const message = `run refused: tenant: run ${run} is one of several tenants: ${found.join(", ")}; name one`;
        const violation = {
          description: `one of ${found.join(", ")} is accepted`,
          field: "tenant",
        };
        throw new WeirError("ledger.invalid", message, { violations: [violation] });
      }
      const owner = found[0] ?? tenant;
      const cost = owner === "" ? null : await this.#ports.store.run(owner, run);
      if (cost === null) throw new WeirError("decision.not_found", `no run ${run}`);
      return cost;
    });
  }

  periods(raw: { readonly tenant?: unknown }, caller: Caller): Promise<readonly Period[]> {
    return this.#read("periods", raw, caller, async () => {
      const { filter } = parseList(raw);
      return this.#ports.store.periods(this.#tenantsFor(filter.tenant, caller));
    });
  }

  priceRows(caller: Caller): Promise<readonly PriceRow[]> {
    return this.#guard(async () => {
      this.#tenantsFor("", caller);
      return this.#ports.store.priceRows();
    });
  }

  close(raw: RawClose, caller: Caller): Promise<Period> {
    return this.#inTurn(() => this.#close(raw, caller));
  }

  importCosts(raw: unknown, caller: Caller): Promise<ImportResult> {
    return this.#inTurn(() => importCosts(this.#ports, raw, caller));
  }

  #inTurn<Answer>(change: () => Promise<Answer>): Promise<Answer> {
    const done = this.#latest.then(() => this.#guard(change));
    this.#latest = done.catch(() => undefined);
    return done;
  }

  async #close(raw: RawClose, caller: Caller): Promise<Period> {
    const { clock, log, store } = this.#ports;
    const atMs = clock.nowMs();
    const { fromMs, month, reason, tenant, toMs } = parseClose(raw, atMs);
    checkReader(this.#principals, caller.principal, tenant, ["operator"]);
    const earlier = (await store.periods(tenant === "*" ? null : [tenant])).find(
      (one) => one.month === month && (one.tenant === tenant || one.tenant === "*"),
    );
    // The same again changes nothing.
    if (earlier !== undefined) return earlier;
    const tenants = tenant === "*" ? null : [tenant];
    const filter = { dimensions: {}, fromMs, kinds: [], tenants, toMs };
    const { total } = await store.summarize({ bucket: "none", filter, groupBy: [], scan: false });
    const period: Period = {
      actor: caller.principal,
      closedMs: atMs,
      costPicoUsd: total.costPicoUsd,
      entries: total.entries,
      month,
      reason,
      tenant,
    };
    await log.append({
      actor: period.actor,
      at_ms: atMs,
      cost_pico_usd: String(period.costPicoUsd),
      entries: period.entries,
      kind: "closed",
      month,
      reason,
      tenant,
      v: RECORD_VERSION,
    });
    return period;
  }

  /** A read: refused to strangers, recorded where an auditor makes it. */
  #read<Answer>(
    method: string,
    query: unknown,
    caller: Caller,
    read: () => Promise<Answer>,
  ): Promise<Answer> {
    return this.#guard(async () => {
      this.#tenantsFor("", caller);
      const answer = await read();
      const { clock, log } = this.#ports;
      if (this.#principals[caller.principal]?.roles?.includes("auditor") === true) {
        await log.append({
          actor: caller.principal,
          at_ms: clock.nowMs(),
          kind: "read",
          method,
          query: queryText(query),
          v: RECORD_VERSION,
        });
      }
      return answer;
    });
  }

  async #guard<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (thrown) {
      throw WeirError.from(thrown);
    }
  }

  get #principals(): BundleData["principals"] {
    return this.#ports.config().principals;
  }

  #seen({ tenant, ...filter }: AskedFilter, caller: Caller): EntryFilter {
    return { ...filter, tenants: this.#tenantsFor(tenant, caller) };
  }

  /** The tenants a read is about; null: every one. */
  #tenantsFor(tenant: string, { principal }: Caller): readonly string[] | null {
    if (tenant === "" || tenant === "*") return readableTenants(this.#principals, principal);
    checkReader(this.#principals, principal, tenant);
    return [tenant];
  }
}

const FOREVER_MS = 253_402_300_800_000;

/** A request as text, without what was not given; it is input that was checked. */
function queryText(query: unknown): string {
  const given = Object.entries(query as Readonly<Record<string, unknown>>).filter(
    ([, value]) =>
      value !== undefined &&
      value !== "" &&
      value !== 0 &&
      !(Array.isArray(value) && value.length === 0),
  );
  return canonicalJson(Object.fromEntries(given)).slice(0, QUERY_CHARS).toWellFormed();
}
