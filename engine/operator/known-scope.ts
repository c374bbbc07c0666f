import type { BundleData } from "../policy/bundle-data.ts";

/**
 * Whether a bundle has what a scope names, as far as bundles say: its tenants, teams and models. Users,
 * services and runs it does not list, so they are known.
 */
export function isKnownScope(data: BundleData, tenant: string, scope: string): boolean {
  if (!isKnownTenant(data, tenant)) return false;
  const value = scope.slice(scope.indexOf(":") + 1);
  switch (scope.slice(0, scope.indexOf(":"))) {
    case "tenant":
      return isKnownTenant(data, value);
    case "team": {
      const team = Object.hasOwn(data.teams, value) ? data.teams[value] : undefined;
      return team !== undefined && (tenant === "*" || team.tenant === tenant);
    }
    case "model":
      return Object.hasOwn(data.models, value);
    default:
      return true;
  }
}

function isKnownTenant({ budgets, modes, principals, teams }: BundleData, tenant: string): boolean {
  return (
    tenant === "*" ||
    Object.hasOwn(modes.tenants, tenant) ||
    budgets.some((budget) => budget.tenant === tenant) ||
    Object.values(teams).some((team) => team.tenant === tenant) ||
    Object.values(principals).some(({ tenants }) => tenants.includes(tenant))
  );
}
