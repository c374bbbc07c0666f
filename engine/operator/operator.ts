import type { BudgetData } from "../policy/bundle-data.ts";
import type { Grant, ScopeStatus, TenantFreeze } from "../reservation/reservation.ts";
import type { BudgetStatus } from "../reservation/budget-status.ts";
import type { Caller } from "../weir.ts";

/** What an adapter hands over before anything is checked. */
export interface RawFreeze {
  readonly scope?: unknown;
  /** "*": the whole platform. */
  readonly tenant?: unknown;
  readonly reason?: unknown;
}

export interface RawGrant {
  /** Chosen by the caller, so that the same request again grants nothing twice; absent: one is made. */
  readonly id?: unknown;
  readonly tenant?: unknown;
  readonly budget?: unknown;
  /** "usd", "tokens" or "calls"; absent: "usd". */
  readonly unit?: unknown;
  /** micro-USD, tokens or calls. */
  readonly amount?: unknown;
  readonly untilMs?: unknown;
  readonly reason?: unknown;
}

export interface RawLook {
  readonly tenant?: unknown;
  /** One budget; absent: every one. */
  readonly budget?: unknown;
  /** How many; absent: a default. */
  readonly top?: unknown;
}

/** A freeze or its lifting, as it was recorded. */
export interface FreezeChanged {
  readonly tenant: string;
  readonly scope: string;
  readonly reason: string;
  readonly atMs: number;
  readonly actor: string;
  /** Whether the scope was frozen before. */
  readonly wasFrozen: boolean;
  /** False where the policy bundle has no such tenant, team or model: a slip of the pen, perhaps. */
  readonly isKnown: boolean;
}

/** A grant that was made; limits are those of every instance, in the budget's unit as configured. */
export interface Granted {
  readonly grant: Grant;
  readonly limitBefore: number;
  readonly limitAfter: number;
  /** True if it had been made before by the same request. */
  readonly repeated: boolean;
}

export interface BudgetList {
  /** The fullest first; at most `LIMITS.listed`. */
  readonly budgets: readonly BudgetStatus[];
  /** How many there are. */
  readonly total: number;
  readonly definitions: readonly BudgetData[];
  readonly grants: readonly Grant[];
  readonly nowMs: number;
}

export interface VelocityList {
  readonly scopes: readonly ScopeStatus[];
  readonly nowMs: number;
}

/**
 * What operators do, beside the flow of calls: stop, look, raise. The caller has to be an operator of
 * the tenant (`auth.denied`); input that is wrong is `admin.invalid`. A change is in the log before it
 * takes effect, and it has taken effect when the promise resolves; a store that fails in between is
 * `state.unavailable`, and the same request again finishes it. Throws WeirError and nothing else.
 */
export interface Operator {
  freeze(raw: RawFreeze, caller: Caller): Promise<FreezeChanged>;
  unfreeze(raw: RawFreeze, caller: Caller): Promise<FreezeChanged>;
  /** Of the tenant and of the whole platform; without a tenant, of all that the caller operates. */
  freezes(raw: RawLook, caller: Caller): Promise<readonly TenantFreeze[]>;
  grant(raw: RawGrant, caller: Caller): Promise<Granted>;
  budgets(raw: RawLook, caller: Caller): Promise<BudgetList>;
  velocity(raw: RawLook, caller: Caller): Promise<VelocityList>;
}
