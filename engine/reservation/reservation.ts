import type { Unit } from "../ledger/entry.ts";

/** What one decision holds, or tries to hold, on one budget instance. */
export interface Hold {
  readonly budget: string;
  /** Counter key; a reservation keeps it, so that ending it never consults the bundle. */
  readonly instance: string;
  readonly unit: Unit;
  readonly mode: "hard" | "soft";
  /** In the unit. */
  readonly limit: bigint;
  readonly amount: bigint;
  /** Charged if the reservation expires; 0 releases it. */
  readonly onExpiryAmount: bigint;
  /** When the window instance ends, epoch ms; 0: never. */
  readonly endsAtMs: number;
  /**
   * Of a rolling budget: every instance whose sum is judged is `base` and a number from `first` to
   * `last`; the hold's own is the last. Absent for the others, whose instance stands alone.
   */
  readonly rolling?: { readonly base: string; readonly first: number; readonly last: number };
}

/** A velocity scope an intent counts in, with the parameters of its windows. */
export interface ScopeCharge {
  /** "team:search", unique within the tenant. */
  readonly scope: string;
  readonly kind: string;
  readonly windows: readonly WindowParameters[];
  readonly callCost: CallCostParameters;
}

/** When calls of a scope cost too much against what they usually cost; money in nano-USD. */
export interface CallCostParameters {
  /** Least excess that matters; above zero. */
  readonly floor: number;
  /** What a call may cost, in percent of the usual, before it counts as excess. */
  readonly ratioPercent: number;
}

/** Parameters of one velocity window; money in nano-USD. */
export interface WindowParameters {
  readonly name: "1s" | "1m" | "1h";
  readonly windowMs: number;
  readonly floor: number;
  /** Number.MAX_SAFE_INTEGER stands for none. */
  readonly cold: number;
  readonly ratioPercent: number;
  readonly callsMin: number;
  /** Non-empty windows to learn before it can trip. */
  readonly need: number;
  readonly upDiv: number;
  readonly hotDiv: number;
  readonly gapDen: number;
  readonly leavePercent: number;
}

export interface RunStep {
  readonly id: string;
  readonly fingerprint: string;
  /** The run that started it; absent or "": none. */
  readonly parent?: string;
}

/** Everything the store needs to reserve, in one atomic step. */
export interface ReserveRequest {
  readonly decisionId: string;
  readonly tenant: string;
  readonly principal: string;
  readonly nowMs: number;
  readonly deadlineMs: number;
  /** (tenant, principal, intent id, attempt) and the digest of the content. */
  readonly idempotencyKey: string;
  readonly contentDigest: string;
  readonly holds: readonly Hold[];
  readonly scopes: readonly ScopeCharge[];
  readonly run: RunStep | null;
  /** Expected cost, nano-USD, counted by velocity and run. */
  readonly costNanoUsd: number;
  /** Scopes whose freeze stops this intent. */
  readonly freezeScopes: readonly string[];
  readonly isRetry: boolean;
  /** Shadow: hold even where it does not fit. */
  readonly force: boolean;
}

/** Reroute: swaps the holds of an open reservation for another model's, all or none. */
export interface AdjustRequest {
  readonly decisionId: string;
  readonly tenant: string;
  readonly holds: readonly Hold[];
  /** Scopes of the other model: those that depend on it differ. */
  readonly scopes: readonly ScopeCharge[];
  /** Scopes whose freeze stops the other model. */
  readonly freezeScopes: readonly string[];
  readonly costNanoUsd: number;
  readonly nowMs: number;
}

/** The world before this intent; `budgets` and `scopes` are parallel to the request's. */
export interface Snapshot {
  readonly budgets: readonly BudgetSnapshot[];
  readonly scopes: readonly ScopeSnapshot[];
  readonly run: {
    readonly steps: number;
    readonly repeats: number;
    readonly spentNanoUsd: number;
    /** Runs that name this one as their parent and made a step. */
    readonly children: number;
    /** The same of its parent; 0 without one. */
    readonly siblings: number;
  } | null;
  readonly freezes: readonly Freeze[];
  /** Reservations of the principal that ended lately, and how many of them without a report. */
  readonly unreported: { readonly ended: number; readonly expired: number };
}

export interface BudgetSnapshot {
  /** Settled and held, in the unit, without this intent. */
  readonly used: bigint;
  readonly fits: boolean;
}

export interface ScopeSnapshot {
  readonly inFlight: number;
  readonly retryAfterMs: number;
  readonly hot: boolean;
  readonly windows: readonly WindowSnapshot[];
  readonly callCost: CallCostSnapshot;
}

/** What calls of a scope cost against what they usually cost; money in nano-USD. */
export interface CallCostSnapshot {
  /** Learnt enough to trip. */
  readonly armed: boolean;
  /** What calls lately cost above the usual, in all. */
  readonly excess: number;
  readonly hot: boolean;
  /** The excess at which the scope becomes hot. */
  readonly limit: number;
  readonly retryAfterMs: number;
  /** What a call usually costs. */
  readonly usual: number;
}

/** Money in nano-USD. */
export interface WindowSnapshot {
  readonly name: "1s" | "1m" | "1h";
  readonly rate: number;
  readonly limit: number;
  readonly percent: number;
  readonly baselineReady: boolean;
  readonly armed: boolean;
  readonly hot: boolean;
  readonly retryAfterMs: number;
  readonly calls: number;
  readonly attempts: number;
  readonly retries: number;
}

/** A kill switch on a scope: "tenant:acme", "team:search", "*" for everything. */
export interface Freeze {
  readonly scope: string;
  readonly reason: string;
  /** Who set it and when, epoch ms: for operators; absent where that is not known. */
  readonly actor?: string;
  readonly atMs?: number;
}

/** A freeze where it is set; tenant "*": the whole platform. */
export interface TenantFreeze extends Freeze {
  readonly tenant: string;
}

/** Everything that operators set and that is in force. */
export interface OperatorControls {
  readonly grants: readonly Grant[];
  readonly freezes: readonly TenantFreeze[];
}

/** A temporary increase of every instance of a budget. */
export interface Grant {
  readonly id: string;
  readonly tenant: string;
  readonly budget: string;
  readonly unit: Unit;
  /** In the unit; above zero. */
  readonly amount: bigint;
  /** The first instant at which it no longer counts, epoch ms. */
  readonly untilMs: number;
  readonly reason: string;
  readonly actor: string;
  readonly atMs: number;
}

/** Which velocity scopes an operator wants to see. */
export interface VelocityRequest {
  readonly tenant: string;
  /** How many, the busiest first. */
  readonly top: number;
  readonly nowMs: number;
  /** Windows of each kind of scope, as the current bundle has them. */
  readonly kinds: readonly {
    readonly kind: string;
    readonly windows: readonly WindowParameters[];
    readonly callCost: CallCostParameters;
  }[];
}

/** A velocity scope as it is now. */
export interface ScopeStatus {
  readonly scope: string;
  readonly kind: string;
  readonly inFlight: number;
  readonly windows: readonly WindowSnapshot[];
  readonly callCost: CallCostSnapshot;
}

export type ReserveReply =
  | {
      readonly kind: "reserved";
      readonly held: boolean;
      /** Held although it did not fit. */
      readonly forced: boolean;
      readonly snapshot: Snapshot;
      readonly nowMs: number;
      readonly stateSequence: number;
    }
  /** The same intent was decided before. */
  | { readonly kind: "replay"; readonly decisionId: string }
  /** The same key with other content. */
  | { readonly kind: "conflict" }
  /** Being decided by another node. */
  | { readonly kind: "in_flight" }
  /** Decided before, and ended. */
  | { readonly kind: "finished" };

export interface AdjustReply {
  readonly held: boolean;
  readonly snapshot: Snapshot;
  readonly stateSequence: number;
}
