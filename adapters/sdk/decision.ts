import type { RefusalReason } from "../../engine/provider/refusal.ts";

/** What a call is for and who pays; every field may be left to a wider scope. */
export interface CallScope {
  readonly tenant?: string;
  readonly team?: string;
  readonly feature?: string;
  readonly service?: string;
  readonly user?: string;
  readonly costCenter?: string;
  readonly environment?: string;
  readonly customer?: string;
  /** What the call is for ("classify", "chat"). */
  readonly task?: string;
  readonly sensitivity?: "public" | "internal" | "confidential" | "restricted";
  readonly dataClasses?: readonly string[];
  /** Region the data must stay in. */
  readonly residency?: string;
  readonly release?: string;
  readonly prompt?: { readonly id: string; readonly version?: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly run?: RunScope;
}

/** The agent run a call is a step of. */
export interface RunScope {
  readonly id: string;
  /** Absent: the calls of the run are counted. */
  readonly step?: number;
  readonly depth?: number;
  readonly parent?: string;
}

/** What is asked of Weir, in words; transports turn it into messages. */
export interface CallIntent {
  readonly id: string;
  readonly scope: CallScope;
  readonly operation:
    | "chat"
    | "completion"
    | "embedding"
    | "image"
    | "audio"
    | "rerank"
    | "tool"
    | "moderation";
  /** "provider:model". */
  readonly model: string;
  readonly tokens: {
    readonly input: number;
    readonly inputP95?: number;
    readonly outputMax?: number;
    readonly n?: number;
    readonly cacheWrite?: number;
  };
  readonly step?: number;
  readonly fingerprint?: string;
  readonly attempt: { readonly number: number; readonly reason: string };
  readonly serviceTier?: "standard" | "batch" | "flex" | "priority";
  /** Providers a reroute may lead to. */
  readonly providers: readonly string[];
}

/** What Weir answered. */
export interface CallDecision {
  readonly id: string;
  readonly effect: "allow" | "reroute" | "throttle" | "block";
  /** "provider:model" to call; "" if the call must not be made. */
  readonly model: string;
  readonly reasons: readonly RefusalReason[];
  readonly obligations: {
    /** 0: none. */
    readonly maxOutputTokens: number;
    readonly strip: readonly string[];
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly retryAfterMs: number;
  /** Micro-USD, rounded up. */
  readonly estimate: { readonly expectedMicroUsd: number; readonly ceilingMicroUsd: number };
  readonly expiresAtMs: number;
  readonly decidedAtMs: number;
  readonly mode: "enforce" | "shadow";
  readonly wouldBe: CallDecision["effect"] | null;
}

export type CallOutcome = "ok" | "error" | "cancelled" | "truncated" | "filtered";

/** Tokens of a call, normalised: parts are included in their wholes. */
export interface CallUsage {
  readonly input: number;
  readonly cacheRead?: number;
  readonly cacheWrite5m?: number;
  readonly cacheWrite1h?: number;
  readonly output: number;
  readonly reasoning?: number;
}

/** What really happened, once a call is over. */
export interface CallReport {
  readonly decisionId: string;
  readonly outcome: CallOutcome;
  readonly basis: "provider" | "estimated";
  readonly usage?: CallUsage;
  /** Usage as the provider told it, in the place of `usage`. */
  readonly rawUsage?: { readonly format: string; readonly json: string };
  readonly serviceTier?: string;
  /** Members of the provider's usage that are not known here. */
  readonly unknownUsage?: readonly string[];
}

/** What Weir settled. */
export interface Settlement {
  readonly decisionId: string;
  readonly status: "posted" | "settled" | "duplicate" | "superseded" | "corrected";
  /** Charged to the budgets, nano-USD. */
  readonly chargedNanoUsd: bigint;
  readonly flags: readonly string[];
}
