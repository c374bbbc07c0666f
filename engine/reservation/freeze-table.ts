import type { Freeze, TenantFreeze } from "./reservation.ts";

/**
 * The freezes that one node knows of: filled from the store at start and whenever it says that they changed.
 * They judge only while the store does not answer; until then it says itself what is frozen.
 */
export class FreezeTable {
  #byTenant = new Map<string, Map<string, Freeze>>();

  constructor(freezes: readonly TenantFreeze[] = []) {
    this.replace(freezes);
  }

  /** All that there are, those of the platform under "*". */
  replace(freezes: readonly TenantFreeze[]): void {
    this.#byTenant = new Map();
    for (const { tenant, ...freeze } of freezes) this.set(tenant, freeze);
  }

  set(tenant: string, freeze: Freeze): void {
    const known = this.#byTenant.get(tenant) ?? new Map<string, Freeze>();
    this.#byTenant.set(tenant, known.set(freeze.scope, freeze));
  }

  lift(tenant: string, scope: string): void {
    this.#byTenant.get(tenant)?.delete(scope);
  }

  /** Freezes of a tenant and of the platform among these scopes. */
  among(tenant: string, scopes: readonly string[]): readonly Freeze[] {
    const tables = [this.#byTenant.get(tenant), this.#byTenant.get("*")];
    return tables.flatMap((table) => scopes.flatMap((scope) => table?.get(scope) ?? []));
  }
}
