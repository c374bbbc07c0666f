import type { Grant } from "./reservation.ts";

/**
 * The grants in force on one node: filled from the store at start, by what is granted here, and, in a
 * fleet, by what the store says the others granted. It spares every decision a round trip.
 */
export class GrantTable {
  readonly #byBudget = new Map<string, Grant[]>();

  constructor(grants: Iterable<Grant> = []) {
    for (const grant of grants) this.add(grant);
  }

  /** Takes a grant in, and lets go of those of its budget that ended before it was made. */
  add(grant: Grant): void {
    const key = keyOf(grant.tenant, grant.budget);
    const others = (this.#byBudget.get(key) ?? []).filter(
      ({ id, untilMs }) => id !== grant.id && untilMs > grant.atMs,
    );
    this.#byBudget.set(key, [...others, grant]);
  }

  /** Takes in those of the store that were made elsewhere. */
  follow(grants: Iterable<Grant>): void {
    for (const grant of grants) {
      const known = this.#byBudget.get(keyOf(grant.tenant, grant.budget)) ?? NONE;
      if (!known.some(({ atMs, id }) => id === grant.id && atMs >= grant.atMs)) this.add(grant);
    }
  }

  /** Grants of a budget in force at a time, the oldest first. */
  active(tenant: string, budget: string, nowMs: number): readonly Grant[] {
    if (this.#byBudget.size === 0) return NONE;
    const grants = this.#byBudget.get(keyOf(tenant, budget)) ?? NONE;
    return grants.filter(({ untilMs }) => untilMs > nowMs);
  }

  /** What the grants in force add to the limit of every instance of a budget, in its unit. */
  extra(tenant: string, budget: string, nowMs: number): bigint {
    return this.active(tenant, budget, nowMs).reduce((sum, { amount }) => sum + amount, 0n);
  }
}

const NONE: readonly Grant[] = Object.freeze([]);

function keyOf(tenant: string, budget: string): string {
  return `${tenant}\n${budget}`;
}
