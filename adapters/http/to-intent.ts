import { FieldReader } from "../../engine/intent/fields.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { invalid } from "../../engine/intent/parse.ts";
import { fieldPath, type Fields, isObject, readFields, VIOLATIONS_MAX } from "./json-fields.ts";

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
