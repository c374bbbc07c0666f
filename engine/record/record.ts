import type { Effect, Mode, Reason } from "../decision/decision.ts";
import type { ServiceTier } from "../intent/intent.ts";
import type { EntryKind, Unit } from "../ledger/entry.ts";
import type { LedgerLine } from "../ledger/ledger-lines.ts";
import type { PolicyInput } from "../policy/input.ts";
import type { Obligations, Verdict } from "../policy/verdict.ts";
import type { CanonicalText } from "./canonical.ts";

/**
 * Lines of the log, exactly as they are written: snake_case, 64-bit amounts as decimal strings.
 * A reader that meets a newer `v` refuses the line.
 */
export const RECORD_VERSION = 1;

/** What was decided, on which facts, under which policy, and what it holds. */
export interface DecisionRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "decision";
  readonly id: string;
  readonly at_ms: number;
  readonly tenant: string;
  readonly mode: Mode;
  readonly bundle: { readonly digest: string; readonly revision: string };
  readonly decision: RecordedDecision;
  /** Each model judged, in order: the exact input and what the policy returned (null: a fault). */
  readonly evaluations: readonly Evaluation[];
  /** What the policy does not see of the intent. */
  readonly intent: {
    readonly cache_read: number;
    readonly cache_write: number;
    readonly id: string;
    readonly input_p95: number;
    readonly parent: string;
    readonly retry_of: string;
  };
  readonly reservation: RecordedReservation;
  readonly timings_us: {
    readonly evaluate: number;
    readonly state: number;
    readonly total: number;
  };
}

export interface Evaluation {
  readonly input: PolicyInput | CanonicalText;
  readonly model: string;
  readonly verdict: Verdict | CanonicalText | null;
}

export interface RecordedDecision {
  readonly admission: string;
  readonly asked_model: string;
  readonly effect: Effect;
  readonly estimate: {
    readonly ceiling_micro_usd: number;
    readonly expected_micro_usd: number;
    readonly output_tokens_max: number;
    readonly p95_micro_usd: number;
    readonly priced: boolean;
  };
  readonly expires_at_ms: number;
  readonly model: string;
  readonly obligations: Obligations;
  readonly reasons: readonly Reason[];
  readonly retry_after_ms: number;
  readonly service_tier: ServiceTier;
  readonly would_be: Effect | null;
}

/** What the state store was asked for, enough to rebuild it. */
export interface RecordedReservation {
  /** Ceiling of the cost held (or asked for), exact. */
  readonly ceiling_pico_usd: string;
  readonly content_digest: string;
  readonly deadline_ms: number;
  readonly forced: boolean;
  readonly held: boolean;
  /** Budgets it falls under and, where it is held, what it holds on them. */
  readonly holds: readonly RecordedHold[];
  readonly idempotency_key: string;
  readonly state_sequence: number;
  /** Models tried in order, with the expected cost that velocity counted where it was held. */
  readonly tried: readonly RecordedTry[];
}

export interface RecordedTry {
  readonly cost_nano_usd: string;
  readonly held: boolean;
  readonly model: string;
}

export interface RecordedHold {
  readonly amount: string;
  readonly budget: string;
  readonly ends_at_ms: number;
  readonly instance: string;
  readonly limit: string;
  readonly mode: "hard" | "soft";
  readonly on_expiry: string;
  readonly unit: Unit;
}

/**
 * A ledger line of money. The `reserved` entry has no line of its own: a decision that is held
 * implies it, see `reservedEntry`.
 */
export interface EntryRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "entry";
  readonly entry: EntryKind;
  readonly id: string;
  readonly decision_id: string;
  readonly at_ms: number;
  readonly cost_pico_usd: string;
  readonly flags: readonly string[];
  readonly postings: readonly PostingRecord[];
  readonly state_sequence: number;
}

export interface PostingRecord {
  readonly budget: string;
  readonly held_delta: string;
  readonly instance: string;
  readonly settled_delta: string;
  readonly unit: Unit;
}

/** What a caller said actually happened, priced. */
export interface ReportRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "report";
  readonly decision_id: string;
  readonly at_ms: number;
  readonly basis: "provider" | "estimated";
  readonly charged_nano_usd: string;
  readonly cost_pico_usd: string;
  readonly digest: string;
  readonly final: boolean;
  readonly flags: readonly string[];
  readonly model: string;
  readonly outcome: string;
  readonly price_row: string;
  readonly principal: string;
  readonly sequence: number;
  readonly usage: Readonly<Record<string, number>>;
}

/** A refusal at the door: who, why, and nothing of the content. */
export interface RejectedRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "rejected";
  readonly at_ms: number;
  readonly code: string;
  readonly fields: readonly string[];
  readonly principal: string;
}

/** A kill switch set or lifted, written before it takes effect. */
export interface FreezeRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "freeze";
  readonly at_ms: number;
  readonly actor: string;
  readonly frozen: boolean;
  readonly reason: string;
  readonly scope: string;
  /** "*": the whole platform. */
  readonly tenant: string;
  /** How it was before; absent where that was not asked. */
  readonly before?: { readonly frozen: boolean; readonly reason: string };
}

/** A budget raised for a time, written before it takes effect. */
export interface GrantRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "grant";
  readonly id: string;
  readonly at_ms: number;
  readonly actor: string;
  /** In the unit. */
  readonly amount: string;
  readonly budget: string;
  /** Limit of every instance, active grants included, before and after. */
  readonly limit_after: string;
  readonly limit_before: string;
  readonly reason: string;
  readonly tenant: string;
  readonly unit: Unit;
  readonly until_ms: number;
}

/** A bundle became the one that decides, or was refused; written before it takes effect. */
export interface BundleRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "bundle";
  readonly at_ms: number;
  /** "": what was refused is no bundle. */
  readonly digest: string;
  readonly revision: string;
  /** Absent: activated. */
  readonly change?: "activated" | "refused" | "rolled_back";
  /** Who made it decide and why, and what decided before; absent in older logs. */
  readonly actor?: string;
  /** Where this one was refused, it decides on. */
  readonly before?: { readonly digest: string; readonly revision: string };
  readonly reason?: string;
  /** Path or URL it came from. */
  readonly source?: string;
}

/** What may be changed beside decisions, freezes and grants. */
export type ControlAction =
  | "api_key.created"
  | "api_key.revoked"
  | "audit_key.set"
  | "log.interrupted"
  | "mode.set"
  | "person.erased";

/** A control action: who did what to what, why, and what it was before and after. */
export interface ControlRecord {
  readonly v: typeof RECORD_VERSION;
  readonly kind: "control";
  readonly action: ControlAction;
  readonly actor: string;
  readonly after: string;
  readonly at_ms: number;
  readonly before: string;
  readonly reason: string;
  /** What was changed: the id of a key, the name of a setting. */
  readonly subject: string;
}

export type LogLine =
  | DecisionRecord
  | EntryRecord
  | ReportRecord
  | RejectedRecord
  | FreezeRecord
  | GrantRecord
  | BundleRecord
  | ControlRecord
  | LedgerLine;

/** The input the model asked for was judged on; a decision has been judged at least once. */
export function firstInput(record: DecisionRecord): PolicyInput {
  const [first] = record.evaluations;
  if (first === undefined) throw new Error(`record ${record.id} holds no evaluation`);
  return first.input as PolicyInput;
}

/** One decision and every later line about it, in log order. */
export interface StoredDecision {
  readonly record: DecisionRecord;
  readonly later: readonly (EntryRecord | ReportRecord)[];
}
