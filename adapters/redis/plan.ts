import { LIMITS } from "../../engine/limits.ts";
import type { Hold, ReserveRequest, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { digestOf, tenantFields } from "./keys.ts";
import { packWindows } from "./scope-state.ts";

/** What of a reservation names keys and fields of others: digests, as keys hold them. */
export interface Links {
  readonly intent: string;
  /** "": outside a run. */
  readonly run: string;
  /** Field of its principal's endings. */
  readonly endings: string;
}

type Linked = Pick<ReserveRequest, "idempotencyKey" | "principal" | "run" | "tenant">;

export function linksOf({ idempotencyKey, principal, run, tenant }: Linked): Links {
  return {
    endings: tenantFields(tenant).endings(principal),
    intent: digestOf(idempotencyKey),
    run: run === null ? "" : digestOf(tenant, run.id),
  };
}

/** What a reservation was made with, as it keeps it: scripts/include/reservation.lua reads it. */
export function planText(
  links: Links,
  request: Pick<ReserveRequest, "deadlineMs" | "holds" | "isRetry" | "run" | "scopes" | "tenant">,
): string {
  return JSON.stringify([
    links.intent,
    links.run,
    links.endings,
    request.run?.fingerprint ?? "",
    request.deadlineMs,
    request.isRetry ? 1 : 0,
    flatHolds(request.holds),
    flatScopes(request.tenant, request.scopes),
  ]);
}

export function readLinks(plan: string): Links {
  const [intent, run, endings] = JSON.parse(plan) as [string, string, string];
  return { endings, intent, run };
}

/** Holds, by sevens. */
export function flatHolds(holds: readonly Hold[]): readonly (string | number)[] {
  return holds.flatMap(({ amount, budget, endsAtMs, instance, mode, onExpiryAmount, unit }) => [
    instance,
    budget,
    unit,
    mode === "hard" ? 1 : 0,
    String(amount),
    String(onExpiryAmount),
    endsAtMs,
  ]);
}

/** The field of each scope and the field of its windows. */
export function flatScopes(tenant: string, scopes: readonly ScopeCharge[]): readonly string[] {
  const fields = tenantFields(tenant);
  return scopes.flatMap(({ scope, windows }) => [fields.scope(scope), packWindows(windows).field]);
}

const DAY_MS = 86_400_000;
/** How long an ended reservation is kept after its deadline. */
export const KEPT_MS = LIMITS.idempotencyGraceMs + DAY_MS;
