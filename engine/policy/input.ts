/**
 * The one document a policy reads (`policies/schemas/input.json` describes the same). Keys are
 * declared, and written (write-input.ts), in alphabetical order, so that its JSON text is canonical (RFC 8785) as it
 * stands and goes into the record without a second pass. All numbers are integers within ±(2^53−1).
 */
export interface PolicyInput {
  readonly candidates: readonly Candidate[];
  readonly context: PolicyContext;
  readonly facts: Facts;
  readonly intent: PolicyIntent;
  readonly mode: "enforce" | "shadow";
  readonly now_ms: number;
}

/** A model the call could be rerouted to: priced, large enough, in the order of the bundle's routes. */
export interface Candidate {
  readonly clearance: string;
  readonly cost_micro_usd: number;
  readonly model: string;
  readonly regions: readonly string[];
  readonly tier: number;
}

export interface PolicyContext {
  readonly budgets: readonly BudgetFacts[];
  readonly freezes: readonly { readonly reason: string; readonly scope: string }[];
  /** null outside a run. */
  readonly run: RunFacts | null;
  readonly state: "fresh" | "stale" | "unavailable";
  readonly velocity: readonly VelocityFacts[];
}

/** One budget the intent falls under, before this intent, in the budget's own unit. */
export interface BudgetFacts {
  /** What this intent would hold: micro-USD (rounded up), tokens or calls. */
  readonly cost: number;
  /** null when the state store is unavailable. */
  readonly fits: boolean | null;
  readonly id: string;
  readonly mode: "hard" | "soft";
  /** Only where the state store is unavailable: what the loss means for this budget. */
  readonly on_state_loss?: "closed" | "open";
  /** micro-USD (rounded down), tokens or calls; may be negative; null when unavailable. */
  readonly remaining: number | null;
  /** When the window ends, ms from now; 0: never. */
  readonly resets_in_ms: number;
  readonly unit: "usd" | "tokens" | "calls";
  /** Settled and held, percent of the limit, rounded up; 0 for a zero limit; null when unavailable. */
  readonly used_percent: number | null;
}

/**
 * One scope's spend rate before this intent. A window is left out while it is quiet: not hot, without
 * a retry, and its rate below `config.velocity.report_percent` of its limit; so is a scope of which
 * every window and the cost per call are quiet.
 */
export interface VelocityFacts {
  /** null while it is quiet: not hot, and its excess below `config.velocity.report_percent` of its limit. */
  readonly call_cost: CallCostFacts | null;
  /** True if any window is hot; the cost per call says for itself. */
  readonly hot: boolean;
  /** Admitted calls not yet reported. */
  readonly in_flight: number;
  /** "tenant", "team", "user" and so on. */
  readonly kind: string;
  readonly retry_after_ms: number;
  /** "team:search". */
  readonly scope: string;
  readonly windows: readonly WindowFacts[];
}

/** What the scope's calls cost against what they usually cost. */
export interface CallCostFacts {
  /** Learnt enough to trip. */
  readonly armed: boolean;
  /** What calls lately cost above the usual, in all. */
  readonly excess_micro_usd: number;
  readonly hot: boolean;
  /** The excess at which the scope becomes hot. */
  readonly limit_micro_usd: number;
  readonly retry_after_ms: number;
  /** What a call usually costs. */
  readonly usual_micro_usd: number;
}

export interface WindowFacts {
  /** Learnt enough to trip. */
  readonly armed: boolean;
  /** Attempts, admitted or not. */
  readonly attempts: number;
  /** Learnt enough to show a percent. */
  readonly baseline_ready: boolean;
  /** Admitted calls. */
  readonly calls: number;
  readonly hot: boolean;
  readonly limit_micro_usd: number;
  /** Rate in percent of the baseline; 0 until it is ready. */
  readonly percent: number;
  readonly rate_micro_usd: number;
  /** Retries in percent of attempts. */
  readonly retry_percent: number;
  readonly window: "1s" | "1m" | "1h";
}

/** The run before this step. */
export interface RunFacts {
  /** Runs that name this one as their parent and made a step. */
  readonly children: number;
  /** How often this very step (fingerprint) was admitted before. */
  readonly repeats: number;
  /** Children of the run's parent, this one among them if it made a step; 0 without a parent. */
  readonly siblings: number;
  /** Settled and held. */
  readonly spent_micro_usd: number;
  readonly steps: number;
}

/** What the host computed so that rules only compare. */
export interface Facts {
  /** Ceiling cost on the model judged; 0 if it is not priced. */
  readonly cost_micro_usd: number;
  /** Input (p95) and capped output fit the model's context. */
  readonly fits_context: boolean;
  /** The price book has a price of the tier "flex" for the model today. */
  readonly flex_priced: boolean;
  /** The catalogue holds the model. */
  readonly known: boolean;
  /** By the tenant's own clock: "2026-11-25", "00:00" to "23:59", "mon" to "sun". */
  readonly local_date: string;
  readonly local_time: string;
  readonly local_weekday: string;
  /** Output cap assumed, times the number of answers. */
  readonly output_tokens: number;
  readonly priced: boolean;
  /** Input (p95) and output together. */
  readonly tokens: number;
  /** Reservations of this principal that ended in the last hour or two. */
  readonly unreported_calls: number;
  /** How many of them in percent expired without a report. */
  readonly unreported_percent: number;
}

export interface PolicyIntent {
  readonly attempt: { readonly number: number; readonly reason: string };
  readonly attribution: {
    readonly cost_center: string;
    readonly customer: string;
    readonly environment: string;
    readonly feature: string;
    readonly service: string;
    readonly team: string;
    readonly user: string;
  };
  readonly data: {
    readonly classes: readonly string[];
    readonly residency: string;
    readonly sensitivity: string;
  };
  readonly deadline_ms: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly model: string;
  readonly operation: string;
  readonly principal: string;
  readonly prompt: { readonly id: string; readonly version: string };
  readonly release: string;
  readonly run: {
    readonly depth: number;
    readonly fingerprint: string;
    readonly id: string;
    readonly step: number;
  };
  readonly service_tier: string;
  readonly task: string;
  readonly tenant: string;
  readonly tokens: {
    readonly cache_read: number;
    readonly input: number;
    readonly n: number;
    readonly output_max: number;
  };
}
