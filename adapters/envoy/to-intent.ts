import type { RawIntent } from "../../engine/intent/intent.ts";
import type { PrincipalData } from "../../engine/policy/bundle-data.ts";
import { estimateInput, readRequest, type RequestFacts } from "../../engine/provider/request.ts";
import { isUnmetered, type ProviderRoute, routeOf } from "../../engine/provider/route.ts";
import { readAttribution } from "./attribution.ts";
import type { Headers } from "./headers.ts";

/** A request as Envoy tells of it, whichever of its services asks. */
export interface GatewayRequest {
  /** Envoy's own id of the request, drawn at random and never the client's. */
  readonly id: string;
  readonly method: string;
  /** With its query, as the client sent it and Envoy normalised it. */
  readonly path: string;
  readonly host: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** What the Envoy route says: "weir.provider", "weir.providers", "weir.team", … */
  readonly route: Readonly<Record<string, string>>;
}

/** What a request is, as far as its address and its body tell. */
export interface Call {
  readonly provider: string;
  readonly route: ProviderRoute | null;
  /** Null where the body could not be read; the intent then says why. */
  readonly facts: RequestFacts | null;
  readonly bytes: Uint8Array;
  /** Why there are no facts: "unknown_route", "unreadable_body", "no_model", "background"; "" where there are. */
  readonly problem: string;
  /** What is wrong with the body, for people. */
  readonly detail: string;
  /** Uses no model and costs nothing: a list, a read. */
  readonly isUnmetered: boolean;
}

/** Reads what is asked for. Never throws: what cannot be read is a problem that the policy decides on. */
export function readCall(request: GatewayRequest): Call {
  const { body, host, method, route: configured } = request;
  const path = request.path.split("?", 1)[0] ?? "";
  const named = configured["weir.provider"] ?? "";
  const provider = named === "" ? undefined : named;
  const route = method === "POST" ? plainRoute(path, routeOf(host, path, provider)) : null;
  const known = route?.provider ?? provider ?? "unknown";
  const nothing = { bytes: body, detail: "", facts: null, provider: known, route };
  if (route === null) {
    const unmetered = provider !== undefined && isUnmetered(method, path) && isPlain(request);
    const detail = `no call of a model is known at ${shown(method)} ${shown(path)}`;
    return { ...nothing, detail, isUnmetered: unmetered, problem: "unknown_route" };
  }
  const reading = readRequest(route, body);
  if (!reading.ok) {
    return { ...nothing, detail: reading.reason, isUnmetered: false, problem: "unreadable_body" };
  }
  const { facts } = reading;
  const problem = problemOf(facts);
  const detail = problem === "" ? "" : DETAILS[problem];
  return { ...nothing, detail, facts: problem === "" ? facts : null, isUnmetered: false, problem };
}

function problemOf(facts: RequestFacts): keyof typeof DETAILS | "" {
  if (facts.model === "") return "no_model";
  return facts.flags.includes("background") ? "background" : "";
}

const DETAILS = {
  no_model: "the request names no model",
  // Its answer holds no figures, and the one that does comes to a read that nobody meters.
  background: "a call in the background tells nobody what it used",
} as const;

/** One spelling of a path alone: another may be another call to the provider than it is to us. */
function plainRoute(path: string, route: ProviderRoute | null): ProviderRoute | null {
  const escapes = route?.pathModel === null ? 0 : 1;
  const segments = path.split("/");
  const isPlain =
    segments.filter((segment) => segment.includes("%")).length <= escapes &&
    segments.slice(1).every((segment) => SEGMENT.test(segment));
  return isPlain ? route : null;
}

const SEGMENT = /^(?!\.{1,2}$)[\w.:@%~-]+$/;

/** What a client sent, short enough and plain enough for a message. */
function shown(text: string): string {
  return text.slice(0, 80).replaceAll(/[^!-~]/g, "?");
}

/** An upgrade or another method turns a read into what no one meters; an escape hides what is read. */
function isPlain({ headers, path }: GatewayRequest): boolean {
  const names = ["upgrade", "x-envoy-original-method", "x-http-method-override"];
  return !names.some((name) => headers.has(name)) && !path.split("?", 1)[0]?.includes("%");
}

/**
 * The intent of a call. What could not be read gets a model of its own, "provider:unknown_route" and so
 * on, which no catalogue holds by accident: letting it pass takes a policy that names it.
 */
export function toIntent(
  request: GatewayRequest,
  call: Call,
  principal: PrincipalData | undefined,
): RawIntent {
  const { facts, problem, provider } = call;
  const { headers, route } = request;
  const attributed = readAttribution({ headers, principal, route });
  const common = { ...attributed, id: `envoy-${request.id}`, providers: reachable(call, route) };
  if (facts === null) {
    // A token a byte is more than anything that was sent.
    const tokens = { input: call.bytes.length };
    return { ...common, model: `${provider}:${problem}`, operation: "chat", tokens };
  }
  const { expected, p95 } = estimateInput(facts);
  return {
    ...common,
    model: `${provider}:${facts.model}`,
    operation: facts.operation,
    serviceTier: facts.serviceTier,
    tokens: {
      cacheWrite: facts.cacheWrite === "none" ? 0 : expected,
      input: expected,
      inputP95: p95,
      n: facts.answers,
      outputMax: facts.outputMax,
    },
  };
}

/** Providers that take the call in this form and that the Envoy route leads to: a reroute stays among them. */
function reachable(call: Call, route: GatewayRequest["route"]): readonly string[] {
  const listed = (route["weir.providers"] ?? "").split(",").map((name) => name.trim());
  const names = listed.filter((name) => name !== "");
  return names.length > 0 && call.route?.format === "openai.chat" ? names : [call.provider];
}
