import type {
  BudgetList,
  FreezeChanged,
  Granted,
  VelocityList,
} from "../../engine/operator/operator.ts";
import type { BudgetData } from "../../engine/policy/bundle-data.ts";
import type { BudgetStatus } from "../../engine/reservation/budget-status.ts";
import type {
  CallCostSnapshot,
  Grant,
  ScopeStatus,
  TenantFreeze,
  WindowSnapshot,
} from "../../engine/reservation/reservation.ts";
import { limitPercent } from "../../engine/velocity/busiest.ts";
import { weir, type Encodable } from "../../proto/gen/weir.js";

const UNITS: Readonly<Record<BudgetData["unit"] | Grant["unit"], number>> = {
  usd: weir.v1.BudgetUnit.BUDGET_UNIT_USD,
  nano_usd: weir.v1.BudgetUnit.BUDGET_UNIT_USD,
  tokens: weir.v1.BudgetUnit.BUDGET_UNIT_TOKENS,
  calls: weir.v1.BudgetUnit.BUDGET_UNIT_CALLS,
};

/** A freeze as it goes over the wire. */
export function fromFreeze(freeze: TenantFreeze): Encodable<weir.v1.Freeze> {
  const { actor = "", atMs = 0, reason, scope, tenant } = freeze;
  return { tenant, scope, reason, actor, atMs };
}

export function fromFreezeChange(change: FreezeChanged): Encodable<weir.v1.FreezeChange> {
  const { isKnown, ...rest } = change;
  return { ...rest, unknown: !isKnown };
}

export function fromGranted(granted: Granted): Encodable<weir.v1.GrantBudgetResponse> {
  const { grant, limitAfter, limitBefore, repeated } = granted;
  return { grant: fromGrant(grant), limitAfter, limitBefore, repeatedRequest: repeated };
}

export function fromBudgets(list: BudgetList): Encodable<weir.v1.ListBudgetsResponse> {
  return {
    instances: list.budgets.map(fromBudget),
    total: list.total,
    definitions: list.definitions.map(fromDefinition),
    grants: list.grants.map(fromGrant),
    nowMs: list.nowMs,
  };
}

export function fromVelocity({
  nowMs,
  scopes,
}: VelocityList): Encodable<weir.v1.GetVelocityResponse> {
  return { nowMs, scopes: scopes.map(fromScope) };
}

/** Amounts of money are whole micro-USD: they were given so. */
function fromGrant(grant: Grant): Encodable<weir.v1.Grant> {
  const amount = grant.unit === "nano_usd" ? grant.amount / 1_000n : grant.amount;
  return { ...grant, amount, unit: UNITS[grant.unit] };
}

function fromBudget(status: BudgetStatus): Encodable<weir.v1.BudgetInstance> {
  return { ...status, unit: UNITS[status.unit] };
}

function fromDefinition(data: BudgetData): Encodable<weir.v1.BudgetDefinition> {
  return {
    id: data.id,
    unit: UNITS[data.unit],
    limit: data.limit,
    hard: data.mode === "hard",
    window: windowText(data.window),
    per: data.window.kind === "run" ? ["run", ...data.per] : data.per,
    match: Object.entries(data.match).map(([field, value]) => ({
      field,
      values: typeof value === "string" ? [value] : value,
    })),
  };
}

function windowText(window: BudgetData["window"]): string {
  switch (window.kind) {
    case "run":
      return "run";
    case "rolling":
      return `last ${window.seconds} s`;
    case "calendar":
      return `${window.unit} in ${window.zone}`;
  }
}

function fromScope(status: ScopeStatus): Encodable<weir.v1.ScopeVelocity> {
  const { callCost, inFlight, scope, windows } = status;
  return { scope, inFlight, windows: windows.map(fromWindow), callCost: fromCallCost(callCost) };
}

function fromCallCost(cost: CallCostSnapshot): Encodable<weir.v1.CallCost> | null {
  const { armed, excess, hot, limit, retryAfterMs, usual } = cost;
  if (limit === Number.MAX_SAFE_INTEGER) return null;
  return {
    usualMicroUsd: Math.ceil(usual / 1_000),
    excessMicroUsd: Math.ceil(excess / 1_000),
    limitMicroUsd: Math.floor(limit / 1_000),
    limitPercent: limitPercent(excess, limit),
    armed,
    hot,
    retryAfterMs,
  };
}

function fromWindow(window: WindowSnapshot): Encodable<weir.v1.WindowVelocity> {
  const { armed, calls, hot, limit, name, percent, rate, retryAfterMs } = window;
  return {
    window: name,
    rateMicroUsd: Math.ceil(rate / 1_000),
    limitMicroUsd: limit === Number.MAX_SAFE_INTEGER ? -1 : Math.floor(limit / 1_000),
    limitPercent: limitPercent(rate, limit),
    baselinePercent: percent,
    armed,
    hot,
    calls,
    retryAfterMs,
  };
}
