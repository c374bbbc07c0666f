import { createHash } from "node:crypto";

import { type FieldViolation, WeirError } from "../errors.ts";
import { ATTRIBUTION_FIELDS, type Intent } from "../intent/intent.ts";
import type { Unit } from "../ledger/entry.ts";
import { LIMITS } from "../limits.ts";
import { nanoFromMicroUsd, postedNanoUsd } from "../money.ts";
import type { BudgetData } from "../policy/bundle-data.ts";
import type { Estimate } from "../pricing/estimate.ts";
import { openCalendar } from "./calendar.ts";
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
const SELECTORS = new Set<string>([...ATTRIBUTION_FIELDS, "model", "operation"]);
const PER = new Set<string>([...ATTRIBUTION_FIELDS, "run"]);

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

/** Null where the budget has no instance for this intent: a `per` field is empty, or there is no run. */
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

/** Whose instance it is: the values of `per`, each behind a bar; null if one is empty. */
function ownerOf(data: BudgetData, intent: Intent): string | null {
  let owner = "";
  const fields = data.window.kind === "run" ? (["run", ...data.per] as const) : data.per;
  for (const field of fields) {
    const value = field === "run" ? intent.run.id : intent.attribution[field];
    if (value === "") return null;
    owner += `|${encodeURIComponent(value)}`;
  }
  return owner;
}

/** Which counter a call at a time falls under. */
type Windowing = (
  owner: string,
  nowMs: number,
) => Pick<Hold, "instance" | "endsAtMs"> & Partial<Pick<Hold, "rolling">>;

function planWindow(window: BudgetData["window"], keyPrefix: string): Windowing {
  switch (window.kind) {
    case "run":
      return (owner) => ({ endsAtMs: 0, instance: `${keyPrefix}|run${owner}` });
    case "calendar": {
      const calendar = openCalendar(window.unit, window.zone);
      return (owner, nowMs) => {
        const { endMs, startMs } = calendar.windowAt(nowMs);
        return { endsAtMs: endMs, instance: `${keyPrefix}|${startMs}${owner}` };
      };
    }
    case "rolling":
      return planRolling(window.seconds * 1_000, keyPrefix);
  }
}

/** A part of the window leaves only when it is wholly outside, so a rolling budget never over-admits. */
function planRolling(windowMs: number, keyPrefix: string): Windowing {
  const bucketMs = Math.ceil(windowMs / LIMITS.rollingBuckets);
  return (owner, nowMs) => {
    const base = `${keyPrefix}${owner}|`;
    const first = Math.floor((nowMs - windowMs) / bucketMs);
    const last = Math.floor(nowMs / bucketMs);
    const endsAtMs = (last + 1) * bucketMs + windowMs;
    return { endsAtMs, instance: `${base}${last}`, rolling: { base, first, last } };
  };
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

function checkBudget(
  data: BudgetData,
  path: string,
  seen: Set<string>,
  violations: FieldViolation[],
): void {
  const reject = (field: string, description: string) =>
    violations.push({ field: `${path}.${field}`, description });
  const oneOf = (field: keyof BudgetData, words: readonly string[], optional = false) => {
    const value = data[field];
    if (optional && value === undefined) return;
    if (typeof value === "string" && words.includes(value)) return;
    reject(field, `${JSON.stringify(value)} is not accepted; accepted are ${words.join(", ")}`);
  };
  if (typeof data.id !== "string" || data.id === "") reject("id", "missing");
  if (typeof data.tenant !== "string" || data.tenant === "") reject("tenant", "missing");
  const key = `${data.tenant}\n${data.id}`;
  if (seen.has(key)) reject("id", `"${data.id}" is used twice in tenant ${data.tenant}`);
  seen.add(key);
  oneOf("unit", Object.keys(UNITS));
  oneOf("mode", ["hard", "soft"]);
  oneOf("reserve", ["ceiling", "p95", "expected"], true);
  oneOf("on_state_loss", ["closed", "open"], true);
  oneOf("on_expiry", ["release", "charge_expected", "charge_held"], true);
  const most = data.unit === "usd" ? LIMITS.budgetMicroUsd : LIMITS.budgetCount;
  if (!Number.isSafeInteger(data.limit) || data.limit < 0 || data.limit > most) {
    reject("limit", `${data.limit} is not a whole number from 0 to ${most}`);
  }
  if (typeof data.match !== "object" || data.match === null)
    reject("match", "missing; an object is accepted");
  for (const [field, value] of Object.entries(data.match ?? {})) {
    if (!SELECTORS.has(field))
      reject(`match.${field}`, `unknown; accepted are ${[...SELECTORS].join(", ")}`);
    const texts = Array.isArray(value) ? value : [value];
    if (!texts.every((text) => typeof text === "string"))
      reject(`match.${field}`, "not a string or a list of strings");
  }
  if (!Array.isArray(data.per)) reject("per", "missing; a list is accepted");
  for (const field of Array.isArray(data.per) ? data.per : []) {
    if (!PER.has(field))
      reject("per", `"${field}" is unknown; accepted are ${[...PER].join(", ")}`);
  }
  checkWindow(data, reject);
}

function checkWindow(data: BudgetData, reject: (field: string, description: string) => void): void {
  const window = data.window as Partial<Record<string, unknown>> | undefined;
  const { rollingSeconds } = LIMITS;
  switch (window?.["kind"]) {
    case "run":
      return;
    case "rolling": {
      const seconds = window["seconds"];
      if (
        Number.isSafeInteger(seconds) &&
        Number(seconds) >= 1 &&
        Number(seconds) <= rollingSeconds
      )
        return;
      reject(
        "window.seconds",
        `${JSON.stringify(seconds)} is not a whole number from 1 to ${rollingSeconds}`,
      );
      return;
    }
    case "calendar":
      checkCalendar(window, reject);
      return;
    default: {
      const kind = JSON.stringify(window?.["kind"]);
      reject("window.kind", `${kind} is not accepted; accepted are calendar, rolling, run`);
    }
  }
}

function checkCalendar(
  { unit, zone }: Partial<Record<string, unknown>>,
  reject: (field: string, description: string) => void,
): void {
  if (!["hour", "day", "week", "month"].includes(unit as string)) {
    reject(
      "window.unit",
      `${JSON.stringify(unit)} is not accepted; accepted are hour, day, week, month`,
    );
  }
  if (typeof zone !== "string" || !isZone(zone)) {
    reject(
      "window.zone",
      `${JSON.stringify(zone)} is not a time zone; an IANA name such as Europe/Berlin is accepted`,
    );
  }
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
