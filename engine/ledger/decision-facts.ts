import { ATTRIBUTION_FIELDS, type AttributionField } from "../intent/intent.ts";
import {
  type DecisionRecord,
  type EntryRecord,
  firstInput,
  type ReportRecord,
} from "../record/record.ts";
import { type CostLayer, layerOf } from "./cost-layer.ts";
import { NO_TOKENS, type TokenCounts } from "./ledger-entry.ts";

/**
 * What the entries of one decision share, and how far they have come: all that has to be kept to
 * derive the next one. Plain JSON; 64-bit amounts are decimal strings.
 */
export interface DecisionFacts {
  readonly id: string;
  readonly at_ms: number;
  readonly tenant: string;
  readonly attribution: Readonly<Record<AttributionField, string>>;
  readonly principal: string;
  readonly intent: string;
  readonly effect: string;
  readonly mode: string;
  readonly reasons: readonly string[];
  readonly asked_model: string;
  /** Model that runs; "" for none. */
  readonly model: string;
  readonly operation: string;
  readonly service_tier: string;
  readonly layer: CostLayer;
  readonly run: string;
  readonly step: number;
  readonly bundle: string;
  readonly estimate_micro_usd: number;
  readonly charged: Charged;
  /** Reports whose settlement has not come yet, by sequence and digest. */
  readonly reports: Readonly<Record<string, PendingReport>>;
  /** Entries that came before their decision, which another writer logged: whose they are is not known yet. */
  readonly unclaimed?: readonly UnclaimedEntry[];
}

export interface UnclaimedEntry {
  readonly entry: EntryRecord;
  readonly report: PendingReport | null;
}

/** What was charged so far, and as what. */
export interface Charged {
  /** Place of the latest charge in the store's order; 0: none yet. */
  readonly sequence: number;
  readonly cost_pico_usd: string;
  readonly tokens: TokenCounts;
  readonly model: string;
  readonly service_tier: string;
  readonly basis: string;
  readonly priced: "yes" | "no";
  readonly price_row: string;
  readonly price_book: string;
  readonly ok: boolean;
}

/** A report as far as its entry needs it. */
export interface PendingReport {
  readonly basis: string;
  readonly cost_pico_usd: string;
  readonly model: string;
  readonly outcome: string;
  readonly price_row: string;
  readonly usage: Readonly<Record<string, number>>;
}

const NOTHING_CHARGED: Charged = {
  basis: "",
  cost_pico_usd: "0",
  model: "",
  ok: false,
  price_book: "",
  price_row: "",
  priced: "yes",
  sequence: 0,
  service_tier: "",
  tokens: NO_TOKENS,
};

/** A decision's line to what its entries share. */
export function factsOf(record: DecisionRecord): DecisionFacts {
  const { intent } = firstInput(record);
  const { decision } = record;
  return {
    asked_model: decision.asked_model,
    at_ms: record.at_ms,
    attribution: attributionOf(intent.attribution),
    bundle: record.bundle.digest,
    charged: NOTHING_CHARGED,
    effect: decision.effect,
    estimate_micro_usd: decision.estimate.expected_micro_usd,
    id: record.id,
    intent: record.intent.id,
    layer: layerOf(intent),
    mode: record.mode,
    model: decision.model,
    operation: intent.operation,
    principal: intent.principal,
    reasons: decision.reasons.map(({ code }) => code),
    reports: {},
    run: intent.run.id,
    service_tier: decision.service_tier,
    step: intent.run.step,
    tenant: record.tenant,
  };
}

/** For an entry whose decision is not known (yet): what it cost is, whose it was is not. */
export function unknownFacts(id: string, atMs: number): DecisionFacts {
  return {
    unclaimed: [],
    asked_model: "",
    at_ms: atMs,
    attribution: attributionOf(NOBODY),
    bundle: "",
    charged: NOTHING_CHARGED,
    effect: "",
    estimate_micro_usd: 0,
    id,
    intent: "",
    layer: "inference",
    mode: "",
    model: "",
    operation: "",
    principal: "",
    reasons: [],
    reports: {},
    run: "",
    service_tier: "",
    step: 0,
    tenant: "",
  };
}

const NOBODY = Object.fromEntries(ATTRIBUTION_FIELDS.map((field) => [field, ""])) as Record<
  AttributionField,
  string
>;

function attributionOf(
  given: Readonly<Record<AttributionField, string>>,
): DecisionFacts["attribution"] {
  return Object.fromEntries(ATTRIBUTION_FIELDS.map((field) => [field, given[field]])) as Record<
    AttributionField,
    string
  >;
}

/** The key a report waits under; the entry that settles it ends with the same. */
export function reportKey(sequence: number, digest: string): string {
  return `${sequence}:${digest.slice(0, 8)}`;
}

/** The facts with a report that waits for its entry. */
export function withReport(facts: DecisionFacts, report: ReportRecord): DecisionFacts {
  const { basis, cost_pico_usd, digest, model, outcome, price_row, sequence, usage } = report;
  const pending: PendingReport = { basis, cost_pico_usd, model, outcome, price_row, usage };
  return { ...facts, reports: { ...facts.reports, [reportKey(sequence, digest)]: pending } };
}
