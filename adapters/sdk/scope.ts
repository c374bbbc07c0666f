import type { CallScope, RunScope } from "./decision.ts";

/** The narrower scope's fields in front of the wider one's; labels are put together. */
export function within(wide: CallScope, narrow: CallScope): CallScope {
  const labels = { ...wide.labels, ...narrow.labels };
  return { ...wide, ...narrow, ...(Object.keys(labels).length > 0 && { labels }) };
}

/** Prefix of every header that is for Weir and never reaches a provider. */
export const PRIVATE_PREFIX = "x-weir-";

const TEXT_HEADERS = {
  tenant: "tenant",
  team: "team",
  feature: "feature",
  service: "service",
  user: "user",
  "cost-center": "costCenter",
  environment: "environment",
  customer: "customer",
  task: "task",
  sensitivity: "sensitivity",
  residency: "residency",
  release: "release",
} as const;

/** The scope a request's own headers tell: `x-weir-team: search`, `x-weir-run: r-17`, … */
export function scopeOfHeaders(headers: Headers): CallScope {
  const scope: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(TEXT_HEADERS)) {
    const value = headers.get(PRIVATE_PREFIX + name);
    if (value !== null) scope[field] = value;
  }
  const run = headers.get(`${PRIVATE_PREFIX}run`);
  const step = Number(headers.get(`${PRIVATE_PREFIX}step`) ?? 0);
  if (run !== null) scope["run"] = { id: run, ...(step > 0 && { step }) };
  return scope as CallScope;
}

// W3C trace context and baggage carry run, step, depth and user from process to process.
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/**
 * Headers that continue this run in another process: `baggage` with run, step, depth and user, beside
 * whatever baggage there was, and a `traceparent` where the run id is a trace id. They are for services
 * of your own; calls to providers never carry them.
 */
export function propagationOf(scope: CallScope, step: number): Record<string, string> {
  const { run, user } = scope;
  const members: [string, string | number | undefined][] = [
    ["weir.run", run?.id],
    ["weir.step", run === undefined ? undefined : step],
    ["weir.depth", run === undefined ? undefined : (run.depth ?? 0) + 1],
    ["weir.parent", run?.parent],
    ["weir.user", user],
  ];
  const baggage = members
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join(",");
  const headers: Record<string, string> = baggage === "" ? {} : { baggage };
  if (run !== undefined && /^[0-9a-f]{32}$/.test(run.id)) {
    headers["traceparent"] = `00-${run.id}-${randomHex(8)}-01`;
  }
  return headers;
}

/** Headers as they came, of whatever kind. */
export type AnyHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The scope another process handed over. Without a run in the baggage the trace id is the run, so that
 * what one trace causes counts together.
 */
export function scopeOfCarrier(carrier: AnyHeaders): CallScope {
  const baggage = new Map<string, string>();
  for (const member of headerOf(carrier, "baggage").split(",")) {
    const [pair = ""] = member.split(";");
    const at = pair.indexOf("=");
    if (at > 0) baggage.set(pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim()));
  }
  const trace = TRACEPARENT.exec(headerOf(carrier, "traceparent").trim())?.[1];
  const id = baggage.get("weir.run") ?? (trace === NO_TRACE ? undefined : trace);
  const user = baggage.get("weir.user");
  return { ...(id && { run: runOf(id, baggage) }), ...(user && { user }) };
}

const NO_TRACE = "0".repeat(32);

function runOf(id: string, baggage: ReadonlyMap<string, string>): RunScope {
  const [depth, parent] = [Number(baggage.get("weir.depth") ?? 0), baggage.get("weir.parent")];
  return { id, ...(depth > 0 && { depth }), ...(parent && { parent }) };
}

/** The step the other process was at. */
export function stepOfCarrier(carrier: AnyHeaders): number {
  const found = /(?:^|[,\s])weir\.step=(\d{1,7})/.exec(headerOf(carrier, "baggage"));
  return Number(found?.[1] ?? 0);
}

function headerOf(carrier: AnyHeaders, name: string): string {
  if (carrier instanceof Headers) return carrier.get(name) ?? "";
  const value = carrier[name];
  return typeof value === "string" ? value : (value ?? []).join(",");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
