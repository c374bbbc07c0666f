import { ceilDiv, costMicroUsd, remainingMicroUsd, safeNumber } from "../money.ts";
import type { BudgetData } from "../policy/bundle-data.ts";
import type { Balance } from "../ports.ts";
import type { PlannedBudget } from "./budgets.ts";
import type { GrantTable } from "./grants.ts";

/** One live instance of a budget. Money in micro-USD: used is rounded up, what is left down. */
export interface BudgetStatus {
  readonly budget: string;
  readonly unit: BudgetData["unit"];
  readonly mode: BudgetData["mode"];
  readonly window: BudgetData["window"];
  /** First instant of the window and the first one after it, epoch ms; 0: a run has neither. */
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  /** Whose instance it is. */
  readonly per: Readonly<Record<string, string>>;
  /** Grants included. */
  readonly limit: number;
  readonly granted: number;
  readonly held: number;
  readonly settled: number;
  /** Below zero where more was charged than held, or a grant has ended. */
  readonly remaining: number;
  /** Held and settled, rounded up. */
  readonly usedPercent: number;
}

/**
 * The live instances of some budgets of a tenant, the fullest first. A budget without `per` has one in
 * every window, used or not; the others have one for each value that was used.
 */
export function budgetStatus(
  budgets: readonly PlannedBudget[],
  balances: readonly Balance[],
  grants: GrantTable,
  nowMs: number,
): readonly BudgetStatus[] {
  const byInstance = new Map(balances.map((balance) => [balance.instance, balance]));
  const found = budgets.flatMap((budget) =>
    [...ownersOf(budget, balances, nowMs)].map((owner) =>
      statusOf(budget, owner, byInstance, grants, nowMs),
    ),
  );
  return found.toSorted(
    (one, other) =>
      other.usedPercent - one.usedPercent ||
      (one.budget === other.budget ? 0 : one.budget < other.budget ? -1 : 1),
  );
}

/** Owners of the counters that are live now, read from their keys; see `ownerOf` in budgets.ts. */
function ownersOf(
  budget: PlannedBudget,
  balances: readonly Balance[],
  nowMs: number,
): ReadonlySet<string> {
  const { data, keyPrefix } = budget;
  const owners = new Set<string>();
  if (data.per.length === 0 && data.window.kind !== "run") owners.add("");
  const start = `${keyPrefix}|`;
  for (const { instance } of balances) {
    if (!instance.startsWith(start)) continue;
    const owner = ownerIn(instance.slice(keyPrefix.length), data.window.kind);
    const { instance: live, rolling } = budget.window(owner, nowMs);
    if (rolling === undefined) {
      if (live === instance) owners.add(owner);
      continue;
    }
    const part = Number(instance.slice(rolling.base.length));
    if (part >= rolling.first && part <= rolling.last) owners.add(owner);
  }
  return owners;
}

/** The owner in what follows the prefix: "|window|owner", but "|owner|part" for a rolling window. */
function ownerIn(rest: string, kind: BudgetData["window"]["kind"]): string {
  if (kind === "rolling") return rest.slice(0, rest.lastIndexOf("|"));
  const end = rest.indexOf("|", 1);
  return end < 0 ? "" : rest.slice(end);
}

function statusOf(
  budget: PlannedBudget,
  owner: string,
  balances: ReadonlyMap<string, Balance>,
  grants: GrantTable,
  nowMs: number,
): BudgetStatus {
  const { data } = budget;
  const { instance, rolling } = budget.window(owner, nowMs);
  let held = 0n;
  let settled = 0n;
  const add = (name: string) => {
    const balance = balances.get(name);
    held += balance?.held ?? 0n;
    settled += balance?.settled ?? 0n;
  };
  if (rolling === undefined) add(instance);
  else {
    for (let part = rolling.first; part <= rolling.last; part += 1) add(`${rolling.base}${part}`);
  }
  const granted = grants.extra(data.tenant, data.id, nowMs);
  const limit = budget.limit + granted;
  const used = held + settled;
  const money = budget.unit === "nano_usd";
  const up = (amount: bigint) => (money ? costMicroUsd(amount) : safeNumber(amount));
  return {
    budget: data.id,
    granted: up(granted),
    held: up(held),
    limit: up(limit),
    mode: data.mode,
    per: perOf(data, owner),
    remaining: money ? remainingMicroUsd(limit - used) : safeNumber(limit - used),
    settled: up(settled),
    unit: data.unit,
    usedPercent: limit <= 0n ? (used > 0n ? 100 : 0) : safeNumber(ceilDiv(used * 100n, limit)),
    window: data.window,
    ...spanOf(budget, owner, nowMs),
  };
}

function spanOf(budget: PlannedBudget, owner: string, nowMs: number) {
  const { data, keyPrefix } = budget;
  switch (data.window.kind) {
    case "run":
      return { endsAtMs: 0, startsAtMs: 0 };
    case "rolling":
      return { endsAtMs: nowMs, startsAtMs: nowMs - data.window.seconds * 1_000 };
    case "calendar": {
      const { endsAtMs, instance } = budget.window(owner, nowMs);
      const [start = ""] = instance.slice(keyPrefix.length + 1).split("|", 1);
      return { endsAtMs, startsAtMs: Number(start) };
    }
  }
}

function perOf(data: BudgetData, owner: string): Readonly<Record<string, string>> {
  const fields = data.window.kind === "run" ? ["run", ...data.per] : data.per;
  const values = owner === "" ? [] : owner.slice(1).split("|");
  return Object.fromEntries(
    fields.map((field, index) => [field, decodeURIComponent(values[index] ?? "")]),
  );
}
