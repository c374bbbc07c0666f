import type { Freeze, Grant, TenantFreeze } from "../reservation/reservation.ts";
import {
  type ControlAction,
  type ControlRecord,
  type FreezeRecord,
  type GrantRecord,
  RECORD_VERSION,
} from "./record.ts";

/** What an operator did to a freeze. */
export interface FreezeChange {
  readonly actor: string;
  readonly atMs: number;
  readonly frozen: boolean;
  readonly reason: string;
  readonly scope: string;
  readonly tenant: string;
  /** The freeze that was there before; null: none. */
  readonly before: TenantFreeze | null;
}

/** A freeze or its lifting, to the line that proves it. */
export function freezeRecord(change: FreezeChange): FreezeRecord {
  const { actor, atMs, before, frozen, reason, scope, tenant } = change;
  return {
    v: RECORD_VERSION,
    kind: "freeze",
    at_ms: atMs,
    actor,
    before: { frozen: before !== null, reason: before?.reason ?? "" },
    frozen,
    reason,
    scope,
    tenant,
  };
}

/** The way back: a freeze from its line. */
export function freezeOf({ actor, at_ms, reason, scope }: FreezeRecord): Freeze {
  return { actor, atMs: at_ms, reason, scope };
}

/** A grant to the line that proves it; the limits are those of every instance, grants included. */
export function grantRecord(grant: Grant, limitBefore: bigint): GrantRecord {
  return {
    v: RECORD_VERSION,
    kind: "grant",
    id: grant.id,
    at_ms: grant.atMs,
    actor: grant.actor,
    amount: String(grant.amount),
    budget: grant.budget,
    limit_after: String(limitBefore + grant.amount),
    limit_before: String(limitBefore),
    reason: grant.reason,
    tenant: grant.tenant,
    unit: grant.unit,
    until_ms: grant.untilMs,
  };
}

/** The way back: a grant from its line. */
export function grantOf(record: GrantRecord): Grant {
  return {
    actor: record.actor,
    amount: BigInt(record.amount),
    atMs: record.at_ms,
    budget: record.budget,
    id: record.id,
    reason: record.reason,
    tenant: record.tenant,
    unit: record.unit,
    untilMs: record.until_ms,
  };
}

/** A control action, before it has its form in the log. */
export interface ControlChange {
  readonly action: ControlAction;
  readonly actor: string;
  readonly after: string;
  readonly atMs: number;
  readonly before: string;
  readonly reason: string;
  readonly subject: string;
}

/** A control action to the line that proves it. */
export function controlRecord({ atMs, ...change }: ControlChange): ControlRecord {
  return { v: RECORD_VERSION, kind: "control", ...change, at_ms: atMs };
}
