import type { FieldViolation } from "../errors.ts";
import { ATTRIBUTION_FIELDS } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import type { BudgetData } from "../policy/bundle-data.ts";

const UNITS = ["usd", "tokens", "calls"];
const SELECTORS = new Set<string>([...ATTRIBUTION_FIELDS, "model", "operation"]);
const PER = new Set<string>([...ATTRIBUTION_FIELDS, "run"]);

/** What is wrong with one definition, by field; `seen` holds the ids met before. */
export function checkBudget(
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
  oneOf("unit", UNITS);
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
