import { FieldReader } from "../../engine/intent/fields.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { invalid } from "../../engine/intent/parse.ts";
import { nearest } from "../nearest.ts";

/** How a field of the intent is written in JSON; the engine checks the values themselves. */
type Form = "plain" | "count" | { readonly prefix: string } | { readonly fields: Fields };
type Fields = Readonly<Record<string, Form>>;

const INTENT: Fields = {
  id: "plain",
  attribution: {
    fields: {
      tenant: "plain",
      team: "plain",
      feature: "plain",
      service: "plain",
      user: "plain",
      cost_center: "plain",
      environment: "plain",
      customer: "plain",
    },
  },
  operation: { prefix: "OPERATION_" },
  model: "plain",
  task: "plain",
  tokens: {
    fields: {
      input: "count",
      input_p95: "count",
      output_max: "count",
      n: "count",
      cache_read: "count",
      cache_write: "count",
    },
  },
  data: {
    fields: { sensitivity: { prefix: "SENSITIVITY_" }, classes: "plain", residency: "plain" },
  },
  run: {
    fields: { id: "plain", step: "count", depth: "count", parent: "plain", fingerprint: "plain" },
  },
  attempt: { fields: { number: "count", reason: "plain", retry_of: "plain" } },
  service_tier: { prefix: "SERVICE_TIER_" },
  release: "plain",
  prompt: { fields: { id: "plain", version: "plain" } },
  labels: "plain",
  deadline_ms: "count",
  providers: "plain",
};

/**
 * The body of an OPA-style request, `{"input": {"intent": {…}}}`, as a raw intent. Facts, context
 * and everything else a policy sees come from the service, never from the caller.
 */
export function intentFromBody(body: unknown): RawIntent {
  const read = new FieldReader();
  const outer = only(read, body, "body", "input");
  const inner = outer === undefined ? undefined : only(read, outer, "input", "intent");
  if (read.violations.length > 0) throw invalid("intent.invalid", "request", read);
  return intentFromJson(inner, "input.intent");
}

/**
 * An intent in the JSON mapping of the proto: names in snake_case or lowerCamelCase, enum values as
 * "OPERATION_CHAT" or "chat", 64-bit integers as numbers or decimal strings, null as absent. A name
 * that is none is `intent.invalid`. `path` is where the intent stands, for messages.
 */
export function intentFromJson(json: unknown, path = "intent"): RawIntent {
  const read = new FieldReader();
  if (!isObject(json)) read.reject(path, "missing or not an object; an intent is accepted");
  const raw = isObject(json) ? readFields(read, json, INTENT, path) : {};
  if (read.violations.length > 0) throw invalid("intent.invalid", "intent", read);
  return raw as RawIntent;
}

/** More than this is not a slip, and naming the nearest field costs time. */
const VIOLATIONS_MAX = 16;

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of the one key an object may have. */
function only(read: FieldReader, value: unknown, path: string, key: string): unknown {
  if (!isObject(value)) {
    read.reject(path, `not an object; accepted is {"${key}": {…}}`);
    return undefined;
  }
  for (const given of Object.keys(value)) {
    if (given === key) continue;
    if (read.violations.length >= VIOLATIONS_MAX) break;
    const why = COMPUTED.has(given)
      ? "is computed by the service and not accepted from a caller"
      : "is not accepted";
    read.reject(fieldPath(path === "body" ? "" : path, given), `${why}; accepted is ${key} alone`);
  }
  if (!Object.hasOwn(value, key))
    read.reject(fieldPath(path === "body" ? "" : path, key), "missing");
  return value[key];
}

// What the policy input holds beside the intent.
const COMPUTED = new Set(["facts", "context", "candidates", "mode", "now_ms"]);

function readFields(read: FieldReader, json: JsonObject, fields: Fields, path: string): JsonObject {
  const raw: Record<string, unknown> = {};
  for (const key of Object.keys(json)) {
    if (read.violations.length >= VIOLATIONS_MAX) break;
    const name = nameOf(key, fields);
    if (name === undefined) {
      const near = nearest(key, Object.keys(fields));
      read.reject(fieldPath(path, key), `unknown field; the nearest valid one is ${near}`);
      continue;
    }
    const target = camelCase(name);
    if (Object.hasOwn(raw, target)) {
      read.reject(`${path}.${name}`, `given twice, as ${name} and as ${camelCase(name)}`);
    }
    raw[target] = readValue(read, json[key], fields[name], `${path}.${name}`);
  }
  return raw;
}

function readValue(
  read: FieldReader,
  value: unknown,
  form: Form | undefined,
  path: string,
): unknown {
  if (value === null || form === undefined) return undefined;
  if (form === "plain") return value;
  if (form === "count") return countOf(value);
  if ("prefix" in form) return wordOf(value, form.prefix);
  if (isObject(value)) return readFields(read, value, form.fields, path);
  read.reject(path, "not an object");
  return undefined;
}

/** A decimal string as a number; what is none stays as it is, for the engine to refuse by name. */
function countOf(value: unknown): unknown {
  return typeof value === "string" && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : value;
}

function wordOf(value: unknown, prefix: string): unknown {
  if (typeof value !== "string" || !value.startsWith(prefix)) return value;
  const word = value.slice(prefix.length);
  return word === "UNSPECIFIED" ? undefined : word.toLowerCase();
}

/** The declared name that a key means, in either spelling. */
function nameOf(key: string, fields: Fields): string | undefined {
  if (Object.hasOwn(fields, key)) return key;
  const snake = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const found = Object.hasOwn(fields, snake) ? snake : SNAKE_BY_CAMEL.get(key);
  return found !== undefined && Object.hasOwn(fields, found) ? found : undefined;
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

// inputP95 has no capital where input_p95 has its digit, so the way back needs a table.
const SNAKE_BY_CAMEL = new Map([["inputP95", "input_p95"]]);

function fieldPath(path: string, key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(shown)
    ? shown
    : JSON.stringify(shown.toWellFormed());
  return path === "" ? name : `${path}.${name}`;
}
