import { type FieldViolation, WeirError } from "../errors.ts";
import { SENSITIVITIES } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import { maskingFaults } from "./check-masking.ts";
import { type BundleData, type ModelData, type PolicyLimits, ROLES } from "./bundle-data.ts";
import { exceptionFaults, shapeFaults } from "./check-exceptions.ts";

const SECTIONS = [
  "attribution",
  "budgets",
  "estimates",
  "limits",
  "models",
  "modes",
  "prices",
  "principals",
  "routes",
  "tasks",
  "teams",
  "velocity",
] as const satisfies readonly (keyof BundleData)[];

const COUNTS = [
  "agent_depth",
  "agent_repeats",
  "reservation_ttl_ms",
  "retry_attempts",
  "retry_calls_min",
  "retry_ceiling_ms",
  "retry_percent",
  "run_micro_usd",
  "run_steps",
  "single_call_micro_usd",
  "soft_output_tokens",
  "soft_share_percent",
  "unreported_calls_min",
  "unreported_percent",
  "unreported_retry_ms",
] as const satisfies readonly (keyof PolicyLimits)[];

/**
 * Refuses (`bundle.invalid`, every wrong field named) data that rules or engine would misread. Rules
 * compare these figures without looking at their type: an absent limit would limit nothing. Prices,
 * budgets and velocity are checked where they are prepared.
 */
export function checkData(data: BundleData): void {
  const missing = SECTIONS.filter(
    (section) => typeof data[section] !== "object" || data[section] === null,
  );
  if (missing.length > 0) {
    throw new WeirError("bundle.invalid", `data.json lacks config.${missing.join(", config.")}`);
  }
  const misshapen = shapeFaults(data);
  const violations = [
    ...(misshapen.length > 0 ? misshapen : exceptionFaults(data)),
    ...limitFaults(data.limits, "config.limits"),
    ...tunedFaults(data),
    ...modelFaults(data),
    ...estimateFaults(data),
    ...principalFaults(data),
    ...maskingFaults(data),
  ];
  const [first] = violations;
  if (first === undefined) return;
  throw new WeirError("bundle.invalid", `data refused: ${first.field}: ${first.description}`, {
    violations,
  });
}

/** A tuned limit is checked as the limit it stands for, in the place it was written. */
function tunedFaults({ limits, tuning }: BundleData): readonly FieldViolation[] {
  return (["teams", "tenants"] as const).flatMap((kind) =>
    Object.entries(tuning?.[kind] ?? {}).flatMap(([owner, tuned]) =>
      tunedLimitFaults(limits, tuned, `config.tuning.${kind}["${owner}"]`),
    ),
  );
}

function tunedLimitFaults(
  limits: PolicyLimits,
  tuned: Partial<PolicyLimits>,
  at: string,
): readonly FieldViolation[] {
  if (tuned.reservation_ttl_ms !== undefined) {
    const description = "is the same for everybody: it acts before a call is known";
    return [{ description, field: `${at}.reservation_ttl_ms` }];
  }
  const names = Object.keys(tuned);
  return limitFaults({ ...limits, ...tuned }, at).filter(({ field }) =>
    names.some((name) => field === `${at}.${name}` || field.startsWith(`${at}.${name}.`)),
  );
}

function limitFaults(limits: PolicyLimits, at: string): readonly FieldViolation[] {
  const unknown = Object.keys(limits).filter((name) => !LIMIT_NAMES.includes(name));
  if (unknown.length > 0) {
    const description = `no limit has that name; they are ${LIMIT_NAMES.toSorted().join(", ")}`;
    return unknown.map((name) => ({ description, field: `${at}.${name}` }));
  }
  const counts = [...COUNTS, ...OPTIONAL_COUNTS.filter((name) => limits[name] !== undefined)];
  const faults = counts.flatMap((name) => countFault(`${at}.${name}`, limits[name]));
  const words = SENSITIVITIES.filter((word) => word !== "unspecified");
  if (!(words as readonly string[]).includes(limits.default_sensitivity)) {
    const description = `${JSON.stringify(limits.default_sensitivity)} is not accepted; accepted are ${words.join(", ")}`;
    faults.push({ field: `${at}.default_sensitivity`, description });
  }
  for (const name of WORD_LISTS) {
    const list: unknown = limits[name] ?? (name === "permanent_errors" ? null : []);
    if (Array.isArray(list) && list.every((word) => typeof word === "string")) continue;
    faults.push({ field: `${at}.${name}`, description: "not a list of words" });
  }
  const levels: unknown = limits.warning_percents ?? [];
  if (!Array.isArray(levels) || !levels.every((level) => Number.isInteger(level) && level > 0)) {
    const description = "not a list of whole percents above 0";
    faults.push({ field: `${at}.warning_percents`, description });
  }
  for (const name of ["output_tokens", "retention_days"] as const) {
    for (const [key, value] of Object.entries(limits[name] ?? {})) {
      faults.push(...countFault(`${at}.${name}.${key}`, value));
    }
  }
  for (const key of Object.keys(limits.retention_days ?? {})) {
    if ((words as readonly string[]).includes(key)) continue;
    const description = `"${key}" is not accepted; accepted are ${words.join(", ")}`;
    faults.push({ field: `${at}.retention_days`, description });
  }
  const ttlMs = limits.reservation_ttl_ms;
  if (ttlMs === 0 || ttlMs > LIMITS.reservationTtlMs) {
    faults.push({
      field: `${at}.reservation_ttl_ms`,
      description: `${ttlMs} is not a whole number from 1 to ${LIMITS.reservationTtlMs}`,
    });
  }
  return faults;
}

/** Absent: the rule concerned finds nothing. */
const OPTIONAL_COUNTS = [
  "agent_children",
  "cache_gap_tokens",
  "degrade_share_percent",
  "flex_deadline_ms",
] as const satisfies readonly (keyof PolicyLimits)[];

const WORD_LISTS = [
  "degrade_strip",
  "permanent_errors",
  "provider_errors",
] as const satisfies readonly (keyof PolicyLimits)[];

/** Every limit: a misspelt one that may be absent would switch its rule off. */
const LIMIT_NAMES: readonly string[] = [
  ...COUNTS,
  ...OPTIONAL_COUNTS,
  ...WORD_LISTS,
  "default_sensitivity",
  "output_tokens",
  "retention_days",
  "warning_percents",
];

const MODEL_COUNTS = [
  "tier",
  "context_tokens",
  "output_tokens_max",
] as const satisfies readonly (keyof ModelData)[];
const MODEL_LISTS = [
  "regions",
  "excluded_classes",
  "operations",
  "environments",
] as const satisfies readonly (keyof ModelData)[];

function modelFaults(data: BundleData): readonly FieldViolation[] {
  const faults = Object.entries(data.models).flatMap(([id, model]) => [
    ...MODEL_COUNTS.flatMap((name) => countFault(`config.models["${id}"].${name}`, model[name])),
    ...countFault(`config.models["${id}"].retention_days`, model.retention_days ?? 0),
    ...MODEL_LISTS.filter((name) => !Array.isArray(model[name])).map((name) => ({
      description: "not a list of words",
      field: `config.models["${id}"].${name}`,
    })),
  ]);
  for (const [id, routes] of Object.entries(data.routes)) {
    for (const route of routes) {
      if (Object.hasOwn(data.models, route)) continue;
      faults.push({
        field: `config.routes["${id}"]`,
        description: `"${route}" is not in config.models`,
      });
    }
  }
  return faults;
}

function estimateFaults(data: BundleData): readonly FieldViolation[] {
  return Object.entries(data.estimates.output ?? {}).flatMap(([operation, { expected, p95 }]) => {
    const field = `config.estimates.output.${operation}`;
    const faults = [
      ...countFault(`${field}.expected`, expected),
      ...countFault(`${field}.p95`, p95),
    ];
    if (faults.length === 0 && expected > p95) {
      faults.push({ description: `${expected} exceeds p95, ${p95}`, field: `${field}.expected` });
    }
    return faults;
  });
}

/** A role that is misspelt would be one that nobody has, "false" would tell what false does not. */
function principalFaults({ principals }: BundleData): readonly FieldViolation[] {
  return Object.entries(principals).flatMap(([id, { amounts, roles }]) => {
    if (amounts !== undefined && typeof amounts !== "boolean") {
      const description = `${JSON.stringify(amounts)} is not accepted; accepted is true or false`;
      return [{ description, field: `config.principals["${id}"].amounts` }];
    }
    if (roles === undefined) return [];
    if (Array.isArray(roles) && roles.every((role) => ROLES.includes(role))) return [];
    const accepted = ROLES.map((role) => `"${role}"`).join(", ");
    const description = `${JSON.stringify(roles)} is not accepted; accepted is a list of ${accepted}`;
    return [{ description, field: `config.principals["${id}"].roles` }];
  });
}

function countFault(field: string, value: unknown): FieldViolation[] {
  const most = LIMITS.budgetCount;
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return [];
  return [
    { field, description: `${JSON.stringify(value)} is not a whole number from 0 to ${most}` },
  ];
}
