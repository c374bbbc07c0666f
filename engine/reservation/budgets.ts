import { createHash } from "node:crypto";

import { type FieldViolation, WeirError } from "../errors.ts";
import type { Intent } from "../intent/intent.ts";
import type { Unit } from "../ledger/entry.ts";
import { LIMITS } from "../limits.ts";
import { nanoFromMicroUsd, postedNanoUsd } from "../money.ts";
import type { BudgetData } from "../policy/bundle-data.ts";
import type { Estimate } from "../pricing/estimate.ts";
import { planWindow, type Windowing } from "./budget-window.ts";
import { checkBudget } from "./check-budgets.ts";
import { GrantTable } from "./grants.ts";
import type { Hold } from "./reservation.ts";

const NO_GRANTS = new GrantTable();

/** The budgets of a bundle, by tenant, ready to match. */
export interface BudgetPlan {
  readonly byTenant: ReadonlyMap<string, readonly PlannedBudget[]>;
  /** What the loss of the state store means for a budget; closed for hard ones by default. */
  onStateLoss(tenant: string, budget: string): "closed" | "open";
}

/** A checked definition, ready to match. */
export interface PlannedBudget {
  readonly data: BudgetData;
  /** Start of every counter key: tenant, id and the digest of what makes a counter another one. */
  readonly keyPrefix: string;
  readonly unit: Unit;
  readonly limit: bigint;
  readonly reserve: "ceiling" | "p95" | "expected";
  readonly onExpiry: "release" | "charge_expected" | "charge_held";
  readonly window: Windowing;
  readonly selectors: readonly { readonly field: string; readonly values: readonly string[] }[];
}

const UNITS = { usd: "nano_usd", tokens: "tokens", calls: "calls" } as const;

/** Checks every definition (`bundle.invalid` names each wrong field) and indexes them. */
export function planBudgets(definitions: readonly BudgetData[]): BudgetPlan {
  const violations: FieldViolation[] = [];
  const byTenant = new Map<string, PlannedBudget[]>();
  const seen = new Set<string>();
  definitions.forEach((data, index) => {
    const before = violations.length;
    checkBudget(data, `config.budgets[${index}]`, seen, violations);
    if (violations.length > before) return;
    const planned = byTenant.get(data.tenant) ?? [];
    planned.push(planBudget(data));
    byTenant.set(data.tenant, planned);
  });
  if (violations.length > 0) {
    const first = violations[0];
    const message = `budgets refused: ${first?.field}: ${first?.description}`;
    throw new WeirError("bundle.invalid", message, { violations });
  }
  const lost = new Map(
    definitions.map((data) => [
      `${data.tenant}\n${data.id}`,
      data.on_state_loss ?? (data.mode === "hard" ? ("closed" as const) : ("open" as const)),
    ]),
  );
  return {
    byTenant,
    onStateLoss: (tenant, budget) => lost.get(`${tenant}\n${budget}`) ?? "closed",
  };
}

/**
 * Matches an intent's budgets and says what it would hold on each, for one model's estimate. Grants in
 * force raise the limits, so stores need to know nothing of them.
 */
export function matchHolds(
  plan: BudgetPlan,
  intent: Intent,
  model: string,
  estimate: Estimate,
  nowMs: number,
  grants: GrantTable = NO_GRANTS,
): readonly Hold[] {
  const holds: Hold[] = [];
  for (const budget of plan.byTenant.get(intent.tenant) ?? []) {
    if (!selects(budget, intent, model)) continue;
    const hold = holdFor(budget, intent, estimate, nowMs, grants);
    if (hold !== null) holds.push(hold);
  }
  if (holds.length > LIMITS.budgetsPerIntent) {
    const message = `${holds.length} budgets match one intent, at most ${LIMITS.budgetsPerIntent} are accepted`;
    throw new WeirError("bundle.invalid", message);
  }
  return holds;
}

function selects(budget: PlannedBudget, intent: Intent, model: string): boolean {
  for (const { field, values } of budget.selectors) {
    if (!values.includes(selectorValue(intent, model, field))) return false;
  }
  return true;
}

function selectorValue(intent: Intent, model: string, field: string): string {
  if (field === "model") return model;
  if (field === "operation") return intent.operation;
  return intent.attribution[field as keyof Intent["attribution"]];
}

/** Null where the budget has no instance for this intent: it is per run and there is no run. */
function holdFor(
  budget: PlannedBudget,
  intent: Intent,
  estimate: Estimate,
  nowMs: number,
  grants: GrantTable,
): Hold | null {
  const owner = ownerOf(budget.data, intent);
  if (owner === null) return null;
  const amount = amountOf(budget, estimate, budget.reserve);
  return {
    budget: budget.data.id,
    unit: budget.unit,
    mode: budget.data.mode,
    limit: budget.limit + grants.extra(intent.tenant, budget.data.id, nowMs),
    amount,
    onExpiryAmount: expiryAmount(budget, estimate, amount),
    ...budget.window(owner, nowMs),
  };
}

function expiryAmount(budget: PlannedBudget, estimate: Estimate, held: bigint): bigint {
  switch (budget.onExpiry) {
    case "release":
      return 0n;
    case "charge_held":
      return held;
    case "charge_expected":
      return amountOf(budget, estimate, "expected");
  }
}

/**
 * Whose instance it is: the values of `per`, each behind a bar. Calls that do not say share one, since
 * saying nothing must not be a way around a budget; null where there is no run.
 */
function ownerOf(data: BudgetData, intent: Intent): string | null {
  let owner = "";
  const fields = data.window.kind === "run" ? (["run", ...data.per] as const) : data.per;
  for (const field of fields) {
    const value = field === "run" ? intent.run.id : intent.attribution[field];
    if (value === "" && field === "run") return null;
    owner += `|${encodeURIComponent(value)}`;
  }
  return owner;
}

function amountOf(
  budget: PlannedBudget,
  estimate: Estimate,
  reserve: "ceiling" | "p95" | "expected",
): bigint {
  switch (budget.unit) {
    case "calls":
      return 1n;
    case "tokens":
      return BigInt(estimate.inputTokensP95 + estimate.outputTokensCap * estimate.answers);
    case "nano_usd":
      switch (reserve) {
        case "ceiling":
          return postedNanoUsd(estimate.ceilingPicoUsd);
        case "p95":
          return postedNanoUsd(estimate.p95PicoUsd);
        case "expected":
          return postedNanoUsd(estimate.expectedPicoUsd);
      }
  }
}

/** The tenant of a budget instance, which its key begins with. */
export function tenantOfInstance(instance: string): string {
  return decodeURIComponent(instance.slice(0, instance.indexOf("|")));
}

function planBudget(data: BudgetData): PlannedBudget {
  const identity = JSON.stringify([data.unit, data.match, data.window, data.per]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 12);
  const keyPrefix = `${encodeURIComponent(data.tenant)}|${encodeURIComponent(data.id)}|${digest}`;
  return {
    data,
    keyPrefix,
    unit: UNITS[data.unit],
    limit: data.unit === "usd" ? nanoFromMicroUsd(data.limit) : BigInt(data.limit),
    reserve: data.reserve ?? (data.mode === "hard" ? "ceiling" : "p95"),
    onExpiry: data.on_expiry ?? "release",
    window: planWindow(data.window, keyPrefix),
    selectors: Object.entries(data.match).map(([field, value]) => ({
      field,
      values: typeof value === "string" ? [value] : value,
    })),
  };
}
