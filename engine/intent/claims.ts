import { WeirError } from "../errors.ts";
import type { BundleData, Role } from "../policy/bundle-data.ts";
import { type Attribution, ATTRIBUTION_FIELDS } from "./intent.ts";

type Principals = BundleData["principals"];

/**
 * Refuses (`auth.denied`) an attribution the principal may not claim, before any state is touched:
 * otherwise a stranger could hold another team's budget.
 */
export function checkClaims(
  principals: Principals,
  principal: string,
  tenant: string,
  attribution: Attribution,
): void {
  if (!mayActFor(principals, principal, tenant)) {
    throw new WeirError("auth.denied", `principal ${principal} may not act for tenant ${tenant}`);
  }
  const claims = principals[principal]?.claims ?? {};
  for (const field of ATTRIBUTION_FIELDS) {
    const accepted = claims[field];
    const value = attribution[field];
    if (accepted === undefined || value === "" || accepted.includes(value)) continue;
    const message = `principal ${principal} may not claim ${field} ${value}; it may claim ${accepted.join(", ") || "none"}`;
    throw new WeirError("auth.denied", message, {
      violations: [{ field: `attribution.${field}`, description: message }],
    });
  }
}

/** Whether the principal may act for the tenant at all: reports, cancels and reads ask this. */
export function mayActFor(principals: Principals, principal: string, tenant: string): boolean {
  const tenants = tenantsOf(principals, principal);
  return tenants.includes("*") || tenants.includes(tenant);
}

/** Tenants the principal may act for; "*" for any. A stranger has none. */
export function tenantsOf(principals: Principals, principal: string): readonly string[] {
  return Object.hasOwn(principals, principal) ? (principals[principal]?.tenants ?? []) : [];
}

/**
 * Refuses (`auth.denied`) who is no operator of the tenant. The tenant "*", the whole platform, takes
 * an operator of every tenant.
 */
export function checkOperator(principals: Principals, principal: string, tenant: string): void {
  if (isOperator(principals, principal, tenant)) return;
  const message = `principal ${principal} is no operator of ${tenant === "*" ? "the whole platform" : `tenant ${tenant}`}`;
  throw new WeirError("auth.denied", message);
}

/** Whether the principal may freeze, grant and look at the state of the tenant. */
export function isOperator(principals: Principals, principal: string, tenant: string): boolean {
  if (!mayActFor(principals, principal, tenant)) return false;
  return principals[principal]?.roles?.includes("operator") ?? false;
}

/** Roles that may read the ledger. */
export const READING_ROLES = ["reader", "auditor", "operator"] as const;

/** Refuses (`auth.denied`) who has none of the roles, or not for the tenant; "*" takes every tenant. */
export function checkReader(
  principals: Principals,
  principal: string,
  tenant: string,
  roles: readonly Role[] = READING_ROLES,
): void {
  if (mayRead(principals, principal, tenant, roles)) return;
  const whose = tenant === "*" ? "every tenant" : `tenant ${tenant}`;
  const message = `principal ${principal} is no ${roles.join(", ")} of ${whose}`;
  throw new WeirError("auth.denied", message);
}

/** Whether the principal has one of the roles for the tenant. */
export function mayRead(
  principals: Principals,
  principal: string,
  tenant: string,
  roles: readonly Role[] = READING_ROLES,
): boolean {
  if (!mayActFor(principals, principal, tenant)) return false;
  return principals[principal]?.roles?.some((role) => roles.includes(role)) ?? false;
}

/** Tenants whose ledger the principal may read, null for every one; `auth.denied` for none. */
export function readableTenants(
  principals: Principals,
  principal: string,
): readonly string[] | null {
  const tenants = tenantsOf(principals, principal);
  const [first = "*"] = tenants;
  checkReader(principals, principal, first);
  return tenants.includes("*") ? null : tenants;
}
