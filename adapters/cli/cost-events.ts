import { FieldReader, show } from "../../engine/intent/fields.ts";
import { invalid } from "../../engine/intent/parse.ts";
import type { RawCost } from "../../engine/ledger/parse-costs.ts";
import { type Fields, isObject, readFields } from "../http/json-fields.ts";
import { UsageError } from "./command.ts";

/** Type of the CloudEvents that say a cost. */
export const COST_EVENT_TYPE = "weir.cost.v1";

const DATA: Fields = {
  attribution: {
    fields: {
      cost_center: "plain",
      customer: "plain",
      environment: "plain",
      feature: "plain",
      service: "plain",
      team: "plain",
      user: "plain",
    },
  },
  cost_usd: "plain",
  currency: "plain",
  description: "plain",
  layer: "plain",
  product: "plain",
  quantity: "plain",
  run: "plain",
  tenant: "plain",
  unit: "plain",
};

/**
 * Costs from CloudEvents 1.0 in JSON: one, an array of them, or one a line. What is no such event is
 * one `ledger.invalid` that names every wrong field; values are the engine's to check.
 */
export function costsFromEvents(text: string, file: string): readonly RawCost[] {
  const events = eventsOf(text, file);
  const read = new FieldReader();
  const costs = events.map((event, index) => costOf(read, event, `events[${index}]`));
  if (read.violations.length > 0) throw invalid("ledger.invalid", "costs", read);
  return costs;
}

function eventsOf(text: string, file: string): readonly unknown[] {
  const trimmed = text.trim();
  if (trimmed === "") throw new UsageError(`${file} is empty; CloudEvents in JSON are accepted`);
  const whole = parsed(trimmed);
  if (whole !== undefined) return Array.isArray(whole) ? (whole as readonly unknown[]) : [whole];
  return trimmed.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const event = parsed(line);
    if (event === undefined) throw new UsageError(`${file}, line ${index + 1}: not valid JSON`);
    return [event];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function costOf(read: FieldReader, event: unknown, at: string): RawCost {
  if (!isObject(event)) {
    read.reject(at, `${show(event)} is not an object`);
    return {};
  }
  const { data, id, source, specversion, time, type } = event;
  if (specversion !== "1.0") {
    read.reject(`${at}.specversion`, `${show(specversion)} is not accepted; accepted is "1.0"`);
  }
  if (type !== COST_EVENT_TYPE) {
    read.reject(`${at}.type`, `${show(type)} is not accepted; accepted is "${COST_EVENT_TYPE}"`);
  }
  if (!isObject(data)) {
    read.reject(`${at}.data`, "missing or not an object");
    return {};
  }
  const { currency, ...fields } = readFields(read, data, DATA, `${at}.data`);
  if (currency !== undefined && currency !== "USD") {
    read.reject(`${at}.data.currency`, `${show(currency)} is not accepted; accepted is "USD"`);
  }
  refuseNonText(read, { id, source }, at);
  refuseNonText(read, { ...data, attribution: undefined }, `${at}.data`);
  return { ...fields, id, source, timeMs: timeOf(read, time, `${at}.time`) };
}

/** Everything else is text, numbers too: a number of JSON may have been rounded before it came here. */
function refuseNonText(
  read: FieldReader,
  fields: Readonly<Record<string, unknown>>,
  at: string,
): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null || typeof value === "string") continue;
    read.reject(`${at}.${name}`, `${show(value)} is not text; accepted is text, as in "0.42"`);
  }
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

function timeOf(read: FieldReader, time: unknown, field: string): number {
  const ms = typeof time === "string" && RFC3339.test(time) ? Date.parse(time) : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  read.reject(field, `${show(time)} is not a time as in "2026-11-25T12:00:00Z"`);
  return 0;
}
