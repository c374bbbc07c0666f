import type { Decision } from "../../engine/decision/decision.ts";
import { decisionId } from "../../engine/decision/decision-id.ts";
import type { SettleRequest } from "../../engine/reservation/lifecycle.ts";
import type { Hold, ReserveRequest, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { planScopes, type ScopePlan } from "../../engine/velocity/scopes.ts";
import { START_MS } from "../support/engine.ts";

export const TTL_MS = 60_000;

/** An id of the given tenant; the number makes it its own. */
export function idOf(number: number, tenant = "acme"): string {
  return decisionId(tenant, START_MS, number.toString(16).padStart(32, "0"));
}

export function holdOf(instance: string, amount: bigint, change: Partial<Hold> = {}): Hold {
  return {
    amount,
    budget: instance.split("|")[1] ?? instance,
    endsAtMs: 0,
    instance,
    limit: 1_000n,
    mode: "hard",
    onExpiryAmount: 0n,
    unit: "nano_usd",
    ...change,
  };
}

const WINDOW = { calls_min: 3, cold_micro_usd: 4, floor_micro_usd: 1, ratio_percent: 200 };
export const { callCost: CALL_COST, windows: WINDOWS } = planScopes({
  report_percent: 0,
  scopes: {
    team: {
      call_cost: { floor_micro_usd: 20, ratio_percent: 150 },
      windows: { "1h": WINDOW, "1m": WINDOW, "1s": WINDOW },
    },
  },
}).kinds[0] as ScopePlan["kinds"][number];

export function scopeOf(scope: string): ScopeCharge {
  return { callCost: CALL_COST, kind: scope.split(":")[0] ?? "", scope, windows: WINDOWS };
}

/** A request of its own intent, attempt and content; `change` replaces members. */
export function requestOf(number: number, change: Partial<ReserveRequest> = {}): ReserveRequest {
  const nowMs = change.nowMs ?? START_MS;
  return {
    contentDigest: `content-${number}`,
    costNanoUsd: 10,
    deadlineMs: nowMs + TTL_MS,
    decisionId: idOf(number, change.tenant),
    force: false,
    freezeScopes: ["*", "tenant:acme", "team:search"],
    holds: [],
    idempotencyKey: `intent-${number}`,
    isRetry: false,
    nowMs,
    principal: "p",
    run: null,
    scopes: [],
    tenant: "acme",
    ...change,
  };
}

export function decisionOf(number: number, change: Partial<Decision> = {}): Decision {
  return {
    decidedAtMs: START_MS,
    effect: "allow",
    id: idOf(number),
    retryAfterMs: 0,
    ...change,
  } as Decision;
}

export function reportOf(number: number, change: Partial<SettleRequest> = {}): SettleRequest {
  const charged = change.chargedNanoUsd ?? 30n;
  return {
    basis: "provider",
    chargedNanoUsd: charged,
    costPicoUsd: charged * 1_000n,
    decisionId: idOf(number),
    digest: `report-${number}-${change.sequence ?? 1}-${charged}`,
    final: true,
    nowMs: START_MS,
    sequence: 1,
    tokens: 100n,
    ...change,
  };
}
