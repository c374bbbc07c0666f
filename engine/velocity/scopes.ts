import { type FieldViolation, WeirError } from "../errors.ts";
import { type Attribution, ATTRIBUTION_FIELDS } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import type {
  BundleData,
  CallCostData,
  VelocityWindowData,
  WindowName,
} from "../policy/bundle-data.ts";
import type {
  CallCostParameters,
  ScopeCharge,
  WindowParameters,
} from "../reservation/reservation.ts";
import { CALL_COST_NOT_JUDGED } from "./call-cost.ts";

/** The velocity scopes of a bundle with the parameters of their windows. */
export interface ScopePlan {
  readonly reportPercent: number;
  readonly kinds: readonly {
    readonly kind: string;
    readonly windows: readonly WindowParameters[];
    readonly callCost: CallCostParameters;
  }[];
}

/** How fast each window learns and forgets; measured on real traces, not configured. */
const LEARNING: Readonly<
  Record<WindowName, Pick<WindowParameters, "windowMs" | "need" | "upDiv" | "hotDiv" | "gapDen">>
> = {
  "1s": { windowMs: 1_000, need: 60, upDiv: 16, hotDiv: 8_192, gapDen: 2 ** 19 },
  "1m": { windowMs: 60_000, need: 60, upDiv: 16, hotDiv: 256, gapDen: 2 ** 13 },
  "1h": { windowMs: 3_600_000, need: 24, upDiv: 8, hotDiv: 8, gapDen: 2 ** 7 },
};
const WINDOWS = Object.keys(LEARNING) as readonly WindowName[];
const LEAVE_PERCENT = 70;
/** Kinds of scope: what velocity is counted by, and what a freeze may name. */
export const SCOPE_KINDS = ["tenant", "model", "run", ...ATTRIBUTION_FIELDS] as const;
const KINDS = new Set<string>(SCOPE_KINDS);
const NANO_PER_MICRO = 1_000;

/** Checks the velocity data of a bundle (`bundle.invalid`) and prepares it. */
export function planScopes(data: BundleData["velocity"]): ScopePlan {
  const violations: FieldViolation[] = [];
  const reportPercent = data.report_percent;
  if (!Number.isSafeInteger(reportPercent) || reportPercent < 0 || reportPercent > 100) {
    const description = `${reportPercent} is not a whole number from 0 to 100`;
    violations.push({ field: "config.velocity.report_percent", description });
  }
  const kinds = Object.entries(data.scopes).map(([kind, scope]) => {
    const path = `config.velocity.scopes.${kind}`;
    if (!KINDS.has(kind)) {
      violations.push({
        field: path,
        description: `unknown; accepted are ${[...KINDS].join(", ")}`,
      });
    }
    const windows = WINDOWS.map((name) =>
      planWindow(name, scope.windows?.[name], `${path}.windows.${name}`, violations),
    );
    const callCost = planCallCost(scope.call_cost, `${path}.call_cost`, violations);
    return { callCost, kind, windows };
  });
  if (violations.length > 0) {
    const first = violations[0];
    const message = `velocity refused: ${first?.field}: ${first?.description}`;
    throw new WeirError("bundle.invalid", message, { violations });
  }
  return { kinds, reportPercent };
}

function planWindow(
  name: WindowName,
  data: VelocityWindowData | undefined,
  path: string,
  violations: FieldViolation[],
): WindowParameters {
  const count = (field: keyof VelocityWindowData, least: number): number =>
    expectCount(data?.[field], `${path}.${field}`, least, violations);
  return {
    name,
    ...LEARNING[name],
    floor: count("floor_micro_usd", 0) * NANO_PER_MICRO,
    cold:
      data?.cold_micro_usd === null
        ? Number.MAX_SAFE_INTEGER
        : count("cold_micro_usd", 1) * NANO_PER_MICRO,
    ratioPercent: count("ratio_percent", 1),
    callsMin: count("calls_min", 1),
    leavePercent: LEAVE_PERCENT,
  };
}

function planCallCost(
  data: CallCostData | undefined,
  path: string,
  violations: FieldViolation[],
): CallCostParameters {
  if (data === undefined) return CALL_COST_NOT_JUDGED;
  const floor = expectCount(data.floor_micro_usd, `${path}.floor_micro_usd`, 1, violations);
  return {
    floor: floor * NANO_PER_MICRO,
    ratioPercent: expectCount(data.ratio_percent, `${path}.ratio_percent`, 100, violations),
  };
}

function expectCount(
  value: unknown,
  field: string,
  least: number,
  violations: FieldViolation[],
): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) {
    if ((value as number) <= LIMITS.priceMicroUsd) return value as number;
  }
  const description = `${JSON.stringify(value)} is not a whole number from ${least} to ${LIMITS.priceMicroUsd}`;
  violations.push({ description, field });
  return least;
}

/** What of an intent decides its scopes. */
export interface Scoped {
  readonly tenant: string;
  readonly attribution: Attribution;
  readonly run: { readonly id: string };
}

/** The scopes an intent on a model counts in; an attribution field that is empty has none. */
export function matchScopes(
  plan: ScopePlan,
  intent: Scoped,
  model: string,
): readonly ScopeCharge[] {
  const charges: ScopeCharge[] = [];
  for (const planned of plan.kinds) {
    const value = scopeValue(intent, model, planned.kind);
    if (value !== "") charges.push(chargeOf(planned, value));
  }
  return charges;
}

/** Scopes whose freeze stops the intent: everything, its tenant, its attribution, model and run. */
export function freezeScopes(intent: Scoped, model: string): readonly string[] {
  const scopes = ["*"];
  for (const kind of KINDS) {
    const value = scopeValue(intent, model, kind);
    if (value !== "") scopes.push(scopeName(kind, value));
  }
  return scopes;
}

/** One string per scope, however many calls count in it. */
function scopeName(kind: string, value: string): string {
  let names = NAMES.get(kind);
  if (names === undefined) {
    names = new Map();
    NAMES.set(kind, names);
  }
  let name = names.get(value);
  if (name === undefined) {
    if (names.size >= NAMES_MAX) names.clear();
    name = `${kind}:${value}`;
    names.set(value, name);
  }
  return name;
}

const NAMES_MAX = 10_000;
const NAMES = new Map<string, Map<string, string>>();

/** One charge per scope of a plan: reservations keep them, by the hundred thousand. */
function chargeOf(planned: ScopePlan["kinds"][number], value: string): ScopeCharge {
  const { callCost, kind, windows } = planned;
  let charges = CHARGES.get(planned);
  if (charges === undefined) {
    charges = new Map();
    CHARGES.set(planned, charges);
  }
  let charge = charges.get(value);
  if (charge === undefined) {
    if (charges.size >= NAMES_MAX) charges.clear();
    charge = { callCost, kind, scope: scopeName(kind, value), windows };
    charges.set(value, charge);
  }
  return charge;
}

const CHARGES = new WeakMap<ScopePlan["kinds"][number], Map<string, ScopeCharge>>();

function scopeValue(intent: Scoped, model: string, kind: string): string {
  switch (kind) {
    case "tenant":
      return intent.tenant;
    case "model":
      return model;
    case "run":
      return intent.run.id;
    default:
      return intent.attribution[kind as keyof Attribution];
  }
}
