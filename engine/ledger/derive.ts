import { TOKEN_CLASSES, type TokenClass } from "../pricing/rates.ts";
import type { DecisionRecord, EntryRecord, GrantRecord, PostingRecord } from "../record/record.ts";
import { reservedEntry } from "../record/write.ts";
import { chargeOf, type PriceBooks } from "./charge.ts";
import { type Charged, type DecisionFacts, factsOf, reportKey } from "./decision-facts.ts";
import {
  type Dimensions,
  type LedgerEntry,
  NO_TOKENS,
  type Place,
  type PriceRow,
  type TokenCounts,
} from "./ledger-entry.ts";
import type { ImportedRecord } from "./ledger-lines.ts";

/** What one line of the log adds to the ledger. */
export interface Derived {
  readonly entries: readonly LedgerEntry[];
  /** The decision's facts after the line; null where it is about none. */
  readonly facts: DecisionFacts | null;
  readonly priceRow: PriceRow | null;
}

/** A decision: what it holds, and, where a reroute took the hold from another model, that. */
export function deriveDecision(record: DecisionRecord, place: Place): Derived {
  const facts = factsOf(record);
  const reserved = reservedEntry(record);
  if (reserved === null) return { entries: [], facts, priceRow: null };
  const entries: LedgerEntry[] = [
    entryOf(reserved, "reserved", place, 0, facts, {
      ceiling_pico_usd: record.reservation.ceiling_pico_usd,
    }),
  ];
  const { asked_model: asked, model } = record.decision;
  if (record.reservation.tried.length > 1 && model !== asked && model !== "") {
    const moved = { ...reserved, id: `${record.id}:adjusted`, postings: [] };
    entries.push(entryOf(moved, "adjusted", place, 1, facts, { from_model: asked }));
  }
  return { entries, facts, priceRow: null };
}

/**
 * A settlement, release, expiry or correction. Its cost is the change since the latest charge of the
 * decision; where that was charged as something else (another model, row or basis), it is taken back
 * there first, so that every sum stays exact.
 */
export function deriveEntry(
  entry: EntryRecord,
  place: Place,
  facts: DecisionFacts,
  books: PriceBooks,
): Derived {
  const key = reportKeyOf(entry);
  const report = key === null ? null : (facts.reports[key] ?? null);
  const before = facts.charged;
  // Logged after a later change of the store: that one said already what the call costs in all.
  if (entry.state_sequence < before.sequence) {
    return { entries: [kept(entry, place, facts)], facts: without(facts, key), priceRow: null };
  }
  const { charged, priceRow } = chargeOf(entry, report, facts, books);
  const { unclaimed } = facts;
  const after = {
    ...without(facts, key),
    charged,
    ...(unclaimed && { unclaimed: [...unclaimed, { entry, report }] }),
  };
  return { entries: changes(entry, place, facts, before, charged), facts: after, priceRow };
}

/** A raised limit. */
export function deriveGrant(record: GrantRecord, place: Place): Derived {
  const { actor, amount, at_ms: atMs, budget, id, reason, tenant, unit, until_ms } = record;
  const entry: LedgerEntry = {
    ...place,
    ...NOTHING,
    atMs,
    bookedMs: atMs,
    detail: {
      flags: [],
      grant: { actor, amount, budget, reason, unit, until_ms },
      postings: [],
    },
    dimensions: { ...UNKNOWN, principal: actor, tenant },
    id: `grant:${tenant}:${budget}:${id}`,
    kind: "granted",
  };
  return { entries: [entry], facts: null, priceRow: null };
}

/** A cost from elsewhere, at the time it was spent. */
export function deriveImported(record: ImportedRecord, place: Place): Derived {
  const { attribution, description, id, layer, product, quantity, source, tenant, unit } = record;
  const entry: LedgerEntry = {
    ...place,
    ...NOTHING,
    atMs: record.time_ms,
    bookedMs: record.time_ms,
    costPicoUsd: BigInt(record.cost_pico_usd),
    detail: { event: { description, id, quantity, source, unit }, flags: [], postings: [] },
    dimensions: {
      ...UNKNOWN,
      ...attribution,
      basis: "imported",
      layer,
      model: product,
      principal: record.actor,
      provider: providerOf(product),
      tenant,
    },
    id: `imported:${source}:${id}`,
    kind: "imported",
    run: record.run,
  };
  return { entries: [entry], facts: null, priceRow: null };
}

const NOTHING = {
  calls: 0,
  costPicoUsd: 0n,
  decisionId: "",
  okCalls: 0,
  part: 0,
  run: "",
  tokens: NO_TOKENS,
} as const;

const UNKNOWN: Dimensions = {
  asked_model: "",
  basis: "",
  bundle: "",
  cost_center: "",
  customer: "",
  environment: "",
  feature: "",
  layer: "",
  model: "",
  operation: "",
  price_book: "",
  price_row: "",
  priced: "yes",
  principal: "",
  provider: "",
  service: "",
  service_tier: "",
  team: "",
  tenant: "",
  user: "",
};

function changes(
  entry: EntryRecord,
  place: Place,
  facts: DecisionFacts,
  before: Charged,
  after: Charged,
): LedgerEntry[] {
  const outcome = after.ok ? "ok" : "";
  const made = entryOf(entry, entry.entry, place, 0, facts, outcome === "" ? {} : { outcome });
  const to = dimensionsOf(facts, after);
  const cost = BigInt(after.cost_pico_usd) - BigInt(before.cost_pico_usd);
  const counted = before.model === "" && after.model !== "" ? 1 : 0;
  const okCalls = Number(after.ok) - Number(before.ok);
  const whole = { ...made, calls: counted, dimensions: to, okCalls };
  const from = dimensionsOf(facts, before);
  if (before.model === "" || same(from, to)) {
    const tokens = difference(after.tokens, before.tokens);
    return [{ ...whole, costPicoUsd: cost, tokens }];
  }
  const reversal: LedgerEntry = {
    ...made,
    calls: -1,
    costPicoUsd: -BigInt(before.cost_pico_usd),
    detail: { flags: [...entry.flags, "reversal"], postings: [] },
    dimensions: from,
    id: `${entry.id}:reversal`,
    okCalls: before.ok ? -1 : 0,
    part: 1,
    tokens: difference(NO_TOKENS, before.tokens),
  };
  const again: LedgerEntry = {
    ...whole,
    calls: 1,
    costPicoUsd: BigInt(after.cost_pico_usd),
    okCalls: after.ok ? 1 : 0,
    tokens: after.tokens,
  };
  return [again, reversal];
}

function entryOf(
  line: EntryRecord,
  kind: LedgerEntry["kind"],
  place: Place,
  part: number,
  facts: DecisionFacts,
  more: Partial<LedgerEntry["detail"]>,
): LedgerEntry {
  return {
    ...place,
    ...NOTHING,
    atMs: line.at_ms,
    bookedMs: line.at_ms,
    decisionId: line.decision_id,
    detail: {
      flags: line.flags,
      postings: line.postings as readonly PostingRecord[],
      ...(facts.run === "" ? {} : { step: facts.step }),
      ...more,
    },
    dimensions: dimensionsOf(facts, facts.charged),
    id: line.id,
    kind,
    part,
    run: facts.run,
  };
}

function kept(entry: EntryRecord, place: Place, facts: DecisionFacts): LedgerEntry {
  return entryOf(entry, entry.entry, place, 0, facts, {});
}

function dimensionsOf(facts: DecisionFacts, charged: Charged): Dimensions {
  const model = charged.model || facts.model;
  return {
    ...facts.attribution,
    asked_model: facts.asked_model,
    basis: charged.basis || "estimated",
    bundle: facts.bundle,
    layer: facts.layer,
    model,
    operation: facts.operation,
    price_book: charged.price_book,
    price_row: charged.price_row,
    priced: charged.priced,
    principal: facts.principal,
    provider: providerOf(model || facts.asked_model),
    service_tier: charged.service_tier || facts.service_tier,
    tenant: facts.tenant,
  };
}

function providerOf(model: string): string {
  const colon = model.indexOf(":");
  return colon < 0 ? "" : model.slice(0, colon);
}

function same(one: Dimensions, other: Dimensions): boolean {
  return (Object.keys(one) as (keyof Dimensions)[]).every((name) => one[name] === other[name]);
}

export function difference(one: TokenCounts, other: TokenCounts): TokenCounts {
  const counts = TOKEN_CLASSES.map((name) => [name, one[name] - other[name]]);
  return Object.fromEntries(counts) as Record<TokenClass, number>;
}

/** The report that an entry settles; null for an end without one. */
export function reportKeyOf({ decision_id, id }: EntryRecord): string | null {
  const [, sequence, digest] = /^:report:(\d+):(.*)$/.exec(id.slice(decision_id.length)) ?? [];
  return sequence === undefined ? null : reportKey(Number(sequence), digest ?? "");
}

function without(facts: DecisionFacts, key: string | null): DecisionFacts {
  if (key === null || facts.reports[key] === undefined) return facts;
  const { [key]: _settled, ...reports } = facts.reports;
  return { ...facts, reports };
}
