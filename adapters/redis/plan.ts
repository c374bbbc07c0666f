import type { Hold, ReserveRequest, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { digestOf, type TagKeys, tenantFields } from "./keys.ts";
import { packParameters } from "./scope-state.ts";

/** What of a reservation names keys and fields of others: digests, as keys hold them. */
export interface Links {
  readonly intent: string;
  /** "": outside a run. */
  readonly run: string;
  /** "": no run started its run. */
  readonly parent: string;
  /** Field of its principal's endings. */
  readonly endings: string;
}

type Linked = Pick<ReserveRequest, "idempotencyKey" | "principal" | "run" | "tenant">;

export function linksOf({ idempotencyKey, principal, run, tenant }: Linked): Links {
  return {
    endings: tenantFields(tenant).endings(principal),
    intent: digestOf(idempotencyKey),
    parent: run?.parent ? digestOf(tenant, run.parent) : "",
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
    links.parent,
  ]);
}

export function readLinks(plan: string): Links {
  const parts = JSON.parse(plan) as readonly string[];
  const [intent = "", run = "", endings = "", , , , , , parent = ""] = parts;
  return { endings, intent, parent, run };
}

/** Keys of a run and of the run that started it, as far as there are any. */
export function runKeys(keys: TagKeys, { parent, run }: Links): readonly string[] {
  return [run, parent].filter((digest) => digest !== "").map((digest) => keys.run(digest));
}

/** What a reservation holds on each instance, from its fields: scripts/include/reservation.lua. */
export function heldOf(
  plan: string,
  holds: string | null,
  amounts: string,
): ReadonlyMap<string, bigint> {
  const asked = (JSON.parse(plan) as readonly unknown[])[6] as readonly unknown[];
  const flat = holds === null ? asked : (JSON.parse(holds) as readonly unknown[]);
  const figures = amounts.split(" ");
  const found = new Map<string, bigint>();
  for (let at = 0; at * 7 < flat.length; at += 1) {
    found.set(String(flat[at * 7]), BigInt(figures[at * 2] || "0"));
  }
  return found;
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

/** The field of each scope and the field of its parameters. */
export function flatScopes(tenant: string, scopes: readonly ScopeCharge[]): readonly string[] {
  const fields = tenantFields(tenant);
  return scopes.flatMap((one) => [fields.scope(one.scope), packParameters(one).field]);
}
