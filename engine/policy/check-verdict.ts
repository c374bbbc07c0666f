import type { Finding, Obligations } from "./verdict.ts";

const EFFECTS = ["allow", "throttle", "block"];
const SEVERITIES = ["info", "warning", "error", "critical"];
const KEYS = new Set(["effect", "obligations", "reasons", "retry_after_ms", "routes"]);

/** What keeps a policy's result from being a Verdict, in words; null: it is one. */
export function verdictFault(result: unknown): string | null {
  if (!isObject(result)) return "the result is not an object";
  for (const key of Object.keys(result))
    if (!KEYS.has(key)) return `the result has a member ${key}`;
  if (!EFFECTS.includes(result["effect"] as string))
    return "the result's effect is not one of ours";
  const reasons = result["reasons"];
  if (!Array.isArray(reasons) || !reasons.every(isFinding))
    return "the result's reasons are malformed";
  const routes = result["routes"];
  if (!Array.isArray(routes) || !routes.every((route) => typeof route === "string")) {
    return "the result's routes are malformed";
  }
  if (!isCount(result["retry_after_ms"])) return "the result's retry_after_ms is not a count";
  if (result["effect"] === "throttle" && result["retry_after_ms"] === 0) {
    return "the result throttles without a time to retry after";
  }
  return obligationsFault(result["obligations"]);
}

function obligationsFault(value: unknown): string | null {
  if (!isObject(value)) return "the result's obligations are not an object";
  const obligations: { [Key in keyof Obligations]?: unknown } = value;
  for (const key of Object.keys(value)) {
    if (!["headers", "max_output_tokens", "service_tier", "strip"].includes(key))
      return `unknown obligation ${key}`;
  }
  const { headers, max_output_tokens, service_tier, strip } = obligations;
  if (service_tier !== undefined && service_tier !== "flex") {
    return 'obligation service_tier is not "flex"';
  }
  if (max_output_tokens !== undefined && !isCount(max_output_tokens)) {
    return "obligation max_output_tokens is not a count";
  }
  if (
    strip !== undefined &&
    !(Array.isArray(strip) && strip.every((word) => typeof word === "string"))
  ) {
    return "obligation strip is not a list of words";
  }
  if (headers !== undefined) {
    const texts =
      isObject(headers) && Object.values(headers).every((text) => typeof text === "string");
    if (!texts) return "obligation headers is not a map of strings";
  }
  return null;
}

function isFinding(value: unknown): value is Finding {
  if (!isObject(value)) return false;
  const { code, params, rule, severity, shadow, waiver } = value;
  if (typeof code !== "string" || code === "" || typeof rule !== "string") return false;
  if (!SEVERITIES.includes(severity as string)) return false;
  if (shadow !== undefined && typeof shadow !== "boolean") return false;
  if (waiver !== undefined && typeof waiver !== "string") return false;
  return isObject(params) && Object.values(params).every(isParam);
}

function isParam(value: unknown): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value);
  return typeof value === "string" || typeof value === "boolean";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
