import type { FieldViolation } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isDay } from "../pricing/price-rows.ts";
import type { BundleData, CallMatch, HoursData, RuleModes, WaiverData } from "./bundle-data.ts";
import { WEEKDAYS } from "./local-time.ts";

const RULE_MODES = ["enforce", "shadow", "off"];
const TENANT_MODES = ["enforce", "shadow"];

/** What a waiver or hours may be matched by; the rules read the same names. */
const MATCHED = [
  "cost_center",
  "customer",
  "environment",
  "feature",
  "model",
  "operation",
  "principal",
  "service",
  "task",
  "team",
  "tenant",
  "user",
];

/**
 * Faults of what bends the rules: modes, hours, waivers, tuning. A misspelt field would widen or
 * narrow what nobody meant. Values of tuned limits are checked where limits are.
 */
export function exceptionFaults(data: BundleData): readonly FieldViolation[] {
  const { hours: all = [], waivers = [] } = data;
  return [
    ...modeFaults(data.modes),
    ...all.flatMap((hours, index) => hoursFaults(hours, `config.hours[${index}]`)),
    ...waivers.flatMap((waiver, index) => waiverFaults(waiver, `config.waivers[${index}]`)),
    ...countFaults(data),
  ];
}

/** What is not even of the shape that the checks above read. */
export function shapeFaults({
  hours,
  modes,
  tuning,
  waivers,
  zones,
}: BundleData): FieldViolation[] {
  const texts = (field: string, value: unknown): FieldViolation[] =>
    isObject(value) ? [] : [{ description: "not an object", field }];
  const lists = { hours, waivers };
  const faults = Object.entries(lists).flatMap(([name, list]) => {
    const field = `config.${name}`;
    if (list === undefined) return [];
    if (!Array.isArray(list)) return [{ description: "not a list", field }];
    return (list as readonly { match?: unknown }[]).flatMap((entry, index) =>
      isObject(entry)
        ? texts(`${field}[${index}].match`, entry.match)
        : texts(`${field}[${index}]`, entry),
    );
  });
  const maps: readonly (readonly [string, unknown])[] = [
    ["modes.rules", modes.rules],
    ["modes.tenants", modes.tenants],
    ["modes.tenant_rules", modes.tenant_rules ?? {}],
    ["modes.team_rules", modes.team_rules ?? {}],
    ["tuning", tuning ?? {}],
    ["tuning.tenants", tuning?.tenants ?? {}],
    ["tuning.teams", tuning?.teams ?? {}],
    ["zones", zones ?? {}],
  ];
  for (const [name, value] of maps) faults.push(...texts(`config.${name}`, value));
  const nested = ["tenant_rules", "team_rules"] as const;
  for (const [field, value] of [
    ...nested.map((name) => [`config.modes.${name}`, modes[name]] as const),
    ["config.tuning.tenants", tuning?.tenants] as const,
    ["config.tuning.teams", tuning?.teams] as const,
  ]) {
    for (const [name, member] of Object.entries(value ?? {}))
      faults.push(...texts(`${field}["${name}"]`, member));
  }
  return faults;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every code that the data names, and where. */
export function namedCodes({ modes, waivers = [] }: BundleData): readonly FieldCode[] {
  const under = (field: string, rules: RuleModes): FieldCode[] =>
    Object.keys(rules).map((code) => ({ code, field: `config.modes.${field}` }));
  return [
    ...under("rules", modes.rules),
    ...Object.entries(modes.tenant_rules ?? {}).flatMap(([tenant, rules]) =>
      under(`tenant_rules["${tenant}"]`, rules),
    ),
    ...Object.entries(modes.team_rules ?? {}).flatMap(([team, rules]) =>
      under(`team_rules["${team}"]`, rules),
    ),
    ...waivers.map(({ code }, index) => ({ code, field: `config.waivers[${index}].code` })),
  ];
}

interface FieldCode {
  readonly code: string;
  readonly field: string;
}

function modeFaults(modes: BundleData["modes"]): readonly FieldViolation[] {
  const check = (field: string, values: object, words: readonly string[]): FieldViolation[] =>
    Object.entries(values)
      .filter(
        ([name, mode]) =>
          !(words.includes(mode as string) && (mode === "enforce" || !isFirm(name))),
      )
      .map(([name, mode]) =>
        notOneOf(`config.modes.${field}["${name}"]`, mode, isFirm(name) ? ["enforce"] : words),
      );
  const each = (field: "team_rules" | "tenant_rules"): FieldViolation[] =>
    Object.entries(modes[field] ?? {}).flatMap(([name, rules]) =>
      check(`${field}["${name}"]`, rules, RULE_MODES),
    );
  return [
    ...check("rules", modes.rules, RULE_MODES),
    ...check("tenants", modes.tenants, TENANT_MODES),
    ...each("tenant_rules"),
    ...each("team_rules"),
  ];
}

const TIME = /^([01]\d|2[0-3]):[0-5]\d$|^24:00$/;

function hoursFaults(hours: HoursData, field: string): FieldViolation[] {
  const faults = [...wordFault(`${field}.id`, hours.id), ...matchFaults(hours.match, field)];
  for (const [name, latest] of [
    ["from", "23:59"],
    ["to", "24:00"],
  ] as const) {
    const time = hours[name];
    if (typeof time === "string" && TIME.test(time) && time <= latest) continue;
    const description = `${JSON.stringify(time)} is not a time from 00:00 to ${latest}`;
    faults.push({ description, field: `${field}.${name}` });
  }
  if (hours.from === hours.to) {
    faults.push({ description: `${hours.to} is from too: no hours`, field: `${field}.to` });
  }
  if (!Array.isArray(hours.weekdays) || hours.weekdays.length === 0) {
    faults.push({ description: "not a list of at least one day", field: `${field}.weekdays` });
    return faults;
  }
  for (const day of hours.weekdays) {
    if (!(WEEKDAYS as readonly unknown[]).includes(day)) {
      faults.push(notOneOf(`${field}.weekdays`, day, WEEKDAYS));
    }
  }
  return faults;
}

function waiverFaults(waiver: WaiverData, field: string): FieldViolation[] {
  const faults = [
    ...wordFault(`${field}.id`, waiver.id),
    ...wordFault(`${field}.code`, waiver.code),
    ...wordFault(`${field}.approver`, waiver.approver),
    ...wordFault(`${field}.reason`, waiver.reason),
    ...matchFaults(waiver.match, field),
  ];
  if (!isDay(waiver.until)) {
    const description = `${JSON.stringify(waiver.until)} is not a day such as "2026-12-31"`;
    faults.push({ description, field: `${field}.until` });
  }
  if (isFirm(waiver.code)) {
    const description = `${waiver.code} cannot be waived: malformed input and freezes always count`;
    faults.push({ description, field: `${field}.code` });
  }
  if (HELD.includes(waiver.code)) {
    const description = `${waiver.code} cannot be waived: what is not held does not run; raise the budget by a grant`;
    faults.push({ description, field: `${field}.code` });
  }
  return faults;
}

function countFaults({ hours = [], waivers = [] }: BundleData): FieldViolation[] {
  return Object.entries({ hours, waivers })
    .filter(([name, list]) => list.length > LIMITS[name as "hours" | "waivers"])
    .map(([name, list]) => ({
      description: `${list.length} entries; ${LIMITS[name as "hours" | "waivers"]} at most`,
      field: `config.${name}`,
    }));
}

/** Malformed input and freezes always count. */
function isFirm(code: unknown): boolean {
  return typeof code === "string" && /^(shape|freeze)\./.test(code);
}

/** Where nothing is held, nothing may run: a waiver would only change the reason. */
const HELD = ["budget.exhausted", "budget.quota"];

function matchFaults(match: CallMatch, field: string): FieldViolation[] {
  return Object.entries(match).flatMap(([name, value]) => {
    const at = `${field}.match.${name}`;
    return MATCHED.includes(name) ? wordFault(at, value) : [notOneOf(at, name, MATCHED)];
  });
}

function wordFault(field: string, value: unknown): FieldViolation[] {
  if (typeof value === "string" && value !== "" && value.length <= LIMITS.reasonChars) return [];
  const description = `${JSON.stringify(value)} is not a text of 1 to ${LIMITS.reasonChars} characters`;
  return [{ description, field }];
}

function notOneOf(field: string, value: unknown, words: readonly string[]): FieldViolation {
  const description = `${JSON.stringify(value)} is not accepted; accepted are ${words.join(", ")}`;
  return { description, field };
}
