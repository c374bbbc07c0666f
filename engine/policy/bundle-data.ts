import type { AttributionField, ServiceTier } from "../intent/intent.ts";

/**
 * `data.config` of a bundle: everything a decision depends on except the intent and the state.
 * One folder per key under `policies/config/`. The rules read it too; the loader checks it.
 */
export interface BundleData {
  readonly attribution: {
    /** Mandatory fields by tenant, then environment; "default" stands for every other. */
    readonly mandatory: Readonly<
      Record<string, Readonly<Record<string, readonly AttributionField[]>>>
    >;
  };
  readonly limits: PolicyLimits;
  readonly modes: {
    /** Whole tenants in shadow. */
    readonly tenants: Readonly<Record<string, "shadow" | "enforce">>;
    /** Rules by code: in shadow they are reported but do not count, off they are not even reported. */
    readonly rules: RuleModes;
    /** The same for one tenant or one team; where several say something, the strictest holds. */
    readonly tenant_rules?: Readonly<Record<string, RuleModes>>;
    readonly team_rules?: Readonly<Record<string, RuleModes>>;
  };
  /** Time zone by tenant, IANA names; "default" stands for every other. Absent: UTC. */
  readonly zones?: Readonly<Record<string, string>>;
  /** Hours outside of which calls are blocked. */
  readonly hours?: readonly HoursData[];
  /** Exceptions somebody approved: a finding they cover is recorded and does not count. */
  readonly waivers?: readonly WaiverData[];
  /** Limits of one tenant or one team, in place of `limits`; a team's win. */
  readonly tuning?: {
    readonly tenants?: Readonly<Record<string, Partial<PolicyLimits>>>;
    readonly teams?: Readonly<Record<string, Partial<PolicyLimits>>>;
  };
  readonly models: Readonly<Record<string, ModelData>>;
  readonly estimates: {
    /** Output tokens per answer, by operation; "default" for every other. Learned offline. */
    readonly output: Readonly<Record<string, { readonly expected: number; readonly p95: number }>>;
  };
  readonly prices: PriceBookData;
  /** Alternatives of a model, in order of preference. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  /** Tier that is enough, by task. */
  readonly tasks: Readonly<Record<string, { readonly tier: number }>>;
  readonly teams: Readonly<Record<string, TeamData>>;
  readonly budgets: readonly BudgetData[];
  readonly velocity: {
    /** Rate, in percent of its limit, from which a window is told to the policy; 0 tells every one. */
    readonly report_percent: number;
    readonly scopes: Readonly<Record<string, VelocityScopeData>>;
  };
  readonly principals: Readonly<Record<string, PrincipalData>>;
  /** Fields of intents that nobody sees but the caller; absent: none. */
  readonly masking?: MaskingData;
}

export interface MaskingData {
  /** "attribution.user", "attribution.customer", "prompt.id", "release", "labels.NAME". */
  readonly fields: readonly string[];
}

export type RuleModes = Readonly<Record<string, "shadow" | "enforce" | "off">>;

/** Calls by value of a field of attribution, or of "model", "operation", "principal", "task", "tenant". */
export type CallMatch = Readonly<Record<string, string>>;

/** When matching calls may run, by the tenant's own clock. */
export interface HoursData {
  readonly id: string;
  readonly match: CallMatch;
  /** "mon" to "sun"; the day on which the hours begin. */
  readonly weekdays: readonly string[];
  /** "00:00" to "24:00"; `to` is excluded, and earlier than `from` where the hours pass midnight. */
  readonly from: string;
  readonly to: string;
}

export interface WaiverData {
  readonly id: string;
  /** Code of the rule. */
  readonly code: string;
  readonly match: CallMatch;
  /** Last day, "YYYY-MM-DD", in the tenant's time zone. */
  readonly until: string;
  readonly approver: string;
  readonly reason: string;
}

/** What rules compare with. A limit marked optional limits nothing where it is absent. */
export interface PolicyLimits {
  /** How long a reservation lives without a report, ms. */
  readonly reservation_ttl_ms: number;
  readonly single_call_micro_usd: number;
  readonly run_micro_usd: number;
  readonly run_steps: number;
  /** Runs that one run may start. */
  readonly agent_children?: number;
  readonly agent_depth: number;
  readonly agent_repeats: number;
  readonly retry_attempts: number;
  readonly retry_percent: number;
  readonly retry_calls_min: number;
  readonly retry_ceiling_ms: number;
  readonly permanent_errors: readonly string[];
  /** Reasons of a retry that say the provider is in trouble. */
  readonly provider_errors?: readonly string[];
  /** Calls that may take as long as this need no standard processing, ms; 0: never asked. */
  readonly flex_deadline_ms?: number;
  /** Input of a run's later step that should have been cached, tokens. */
  readonly cache_gap_tokens?: number;
  /** Longest a provider may keep data, days, by sensitivity; not named: any. */
  readonly retention_days?: Readonly<Record<string, number>>;
  readonly soft_share_percent: number;
  readonly soft_output_tokens: number;
  /** Share of a budget from which it is worth a warning, percent. */
  readonly warning_percents?: readonly number[];
  /** Share of a budget above which calls lose the features below, percent. */
  readonly degrade_share_percent?: number;
  readonly degrade_strip?: readonly string[];
  readonly output_tokens: Readonly<Record<string, number>>;
  readonly unreported_percent: number;
  readonly unreported_calls_min: number;
  readonly unreported_retry_ms: number;
  readonly default_sensitivity: string;
}

export interface ModelData {
  readonly provider: string;
  /** Quality tier, 1 (small) to 4 (frontier). */
  readonly tier: number;
  /** Highest sensitivity the provider's contract allows. */
  readonly clearance: string;
  readonly regions: readonly string[];
  readonly excluded_classes: readonly string[];
  readonly operations: readonly string[];
  /** Empty: every environment. */
  readonly environments: readonly string[];
  readonly context_tokens: number;
  readonly output_tokens_max: number;
  /** How long the provider keeps what it is sent, days. Absent: not said, so for ever. */
  readonly retention_days?: number;
}

export interface TeamData {
  readonly tenant: string;
  readonly cost_centers: readonly string[];
  /** A model id, "provider:*" or "*:*". */
  readonly models: readonly string[];
}

export interface PriceBookData {
  readonly version: string;
  readonly currency: "USD";
  readonly rows: readonly PriceRowData[];
}

/** One price of one model: a service tier, a context threshold and a span of dates. */
export interface PriceRowData {
  readonly model: string;
  readonly tier: ServiceTier;
  /** The row applies to calls with more input tokens than this. */
  readonly above_tokens: number;
  /** First day, "YYYY-MM-DD", UTC. */
  readonly from: string;
  /** First day it no longer applies, or null. */
  readonly to: string | null;
  readonly source: string;
  /** Integers, micro-USD per million tokens. A class that is absent is priced as its parent. */
  readonly micro_usd_per_mtok: {
    readonly input: number;
    readonly cache_read?: number;
    readonly cache_write_5m?: number;
    readonly cache_write_1h?: number;
    readonly output: number;
    readonly reasoning?: number;
  };
  readonly micro_usd_per_request?: number;
}

export interface BudgetData {
  readonly id: string;
  readonly tenant: string;
  /** Attribution field (or "model", "operation") to one value or a list of values; all must match. */
  readonly match: Readonly<Record<string, string | readonly string[]>>;
  readonly unit: "usd" | "tokens" | "calls";
  /** micro-USD, tokens or calls. Zero means zero. */
  readonly limit: number;
  readonly window:
    | {
        readonly kind: "calendar";
        readonly unit: "hour" | "day" | "week" | "month";
        /** IANA name; days and hours follow its daylight saving. */
        readonly zone: string;
      }
    /** The last so many seconds, 1 to 31 days. */
    | { readonly kind: "rolling"; readonly seconds: number }
    | { readonly kind: "run" };
  /** One instance per value of these fields. */
  readonly per: readonly (AttributionField | "run")[];
  readonly mode: "hard" | "soft";
  /** Which estimate is held; default: ceiling for hard, p95 for soft. */
  readonly reserve?: "ceiling" | "p95" | "expected";
  readonly on_state_loss?: "closed" | "open";
  readonly on_expiry?: "release" | "charge_expected" | "charge_held";
}

export type WindowName = "1s" | "1m" | "1h";

export interface VelocityScopeData {
  readonly windows: Readonly<Record<WindowName, VelocityWindowData>>;
  /** Cost per call against the scope's own baseline; absent: not judged. */
  readonly call_cost?: CallCostData;
}

export interface CallCostData {
  /** What calls may cost above the usual, in all, before anybody would look. */
  readonly floor_micro_usd: number;
  /** What a call may cost, in percent of the usual, before it counts. */
  readonly ratio_percent: number;
}

export interface VelocityWindowData {
  /** Spend per window that nobody would page for. */
  readonly floor_micro_usd: number;
  /** Limit while the scope is young; null: none. */
  readonly cold_micro_usd: number | null;
  readonly ratio_percent: number;
  readonly calls_min: number;
}

/** What a principal may do besides deciding and reporting. */
export const ROLES = ["operator", "reader", "auditor"] as const;
export type Role = (typeof ROLES)[number];

export interface PrincipalData {
  /** Tenants it may act for; "*" for any. */
  readonly tenants: readonly string[];
  /** Values it may claim per attribution field; a field not named may hold anything. */
  readonly claims: Readonly<Partial<Record<AttributionField, readonly string[]>>>;
  /**
   * "operator": may freeze, grant, look at the state of its tenants, read their ledger and close its
   * months. "reader": may read the ledger. "auditor": the same, and each read is recorded. Absent: none.
   */
  readonly roles?: readonly Role[];
  /** False: the reasons of its decisions name no amounts of money. */
  readonly amounts?: boolean;
}
