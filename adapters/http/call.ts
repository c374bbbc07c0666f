import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import { FieldReader } from "../../engine/intent/fields.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { invalid } from "../../engine/intent/parse.ts";
import { answerRefusal, type RefusalAnswer } from "../../engine/provider/answer-refusal.ts";
import type { FormatName } from "../../engine/provider/format.ts";
import { FORMATS } from "../../engine/provider/formats.ts";
import { applyPatches } from "../../engine/provider/json-edit.ts";
import { patchRequest } from "../../engine/provider/patch.ts";
import { refusalOf } from "../../engine/provider/refusal.ts";
import { estimateInput, readRequest, type RequestFacts } from "../../engine/provider/request.ts";
import { isUnmetered, type ProviderRoute, routeOf } from "../../engine/provider/route.ts";
import { type DecisionJson, decisionToJson } from "./from-decision.ts";
import { type Fields, isObject, readFields } from "./json-fields.ts";
import { intentFromJson } from "./to-intent.ts";

/** A call to a provider as its client library makes it. */
export interface ProviderCall {
  readonly url: URL;
  readonly route: ProviderRoute;
  readonly bytes: Uint8Array;
  readonly facts: RequestFacts;
  /** Attribution, run and the like; model, operation and tokens come from the call itself. */
  readonly intent: RawIntent;
}

/** What to do with a call, so that a client needs no parser. */
export interface CallAnswer {
  /** Null for a call that uses no model: send it as it is, and report nothing. */
  readonly result: DecisionJson | null;
  /** Format for `raw_usage` of the report; "" without one. */
  readonly format: FormatName | "";
  /** Expected input, for the report of an answer that tells no figures. */
  readonly input_tokens: number;
  /** What to send to the provider; null where the call must not be made. */
  readonly request: {
    readonly url: string;
    /** Null: as it was. */
    readonly body: string | null;
    /** To set beside the call's own. */
    readonly headers: Readonly<Record<string, string>>;
    /** Usage events of the stream were asked for by Weir; the client does not expect them. */
    readonly strips_usage: boolean;
  } | null;
  /** What to answer in the provider's place, in its own form; null where the call is made. */
  readonly answer: RefusalAnswer | null;
}

const CALL: Fields = { url: "plain", provider: "plain", body: "plain", intent: "plain" };
/** The call itself tells these. */
const TOLD = ["model", "operation", "tokens", "service_tier", "providers"];

/**
 * The body of `POST /v1/calls`, `{"url", "body", "intent"}`: `body` is the text the client would send to
 * the provider at `url`; `provider` names it where the address does not. Null for a call that uses no model.
 * @throws WeirError `intent.invalid`
 */
export function callFromBody(json: unknown): ProviderCall | null {
  const read = new FieldReader();
  if (!isObject(json))
    read.reject("body", "not an object; accepted is {url, provider, body, intent}");
  const { url, provider, body, intent } = isObject(json) ? readFields(read, json, CALL, "") : {};
  const target = parseUrl(url, read);
  if (body !== undefined && typeof body !== "string") {
    read.reject("body", "not a text; accepted is what the client would send");
  }
  if (isObject(intent)) {
    for (const name of TOLD.filter((told) => Object.hasOwn(intent, told))) {
      read.reject(`intent.${name}`, "is told by the call itself and not accepted beside it");
    }
  }
  if (
    provider !== undefined &&
    !(typeof provider === "string" && /^[a-z0-9_-]{1,64}$/.test(provider))
  ) {
    read.reject("provider", "not a name of 1 to 64 characters of a-z, 0-9, _ and -");
  }
  const text = typeof body === "string" ? body : "";
  if (target === null || read.violations.length > 0) throw invalid("intent.invalid", "call", read);
  const route = routeOf(target.host, target.pathname, provider as string | undefined);
  if (route === null) {
    if (isUnmetered("POST", target.pathname)) return null;
    read.reject(
      "url",
      `no call of a model is known at ${JSON.stringify(target.pathname.slice(0, 80))}`,
    );
    throw invalid("intent.invalid", "call", read);
  }
  const reading = readRequest(route, text);
  if (!reading.ok) read.reject("body", reading.reason);
  else if (reading.facts.model === "") read.reject("body", "names no model");
  else if (reading.facts.flags.includes("background")) {
    read.reject("body", "a call in the background tells nobody what it used");
  }
  if (!reading.ok || read.violations.length > 0) throw invalid("intent.invalid", "call", read);
  const { bytes, facts } = reading;
  return { bytes, facts, intent: intentFromJson(intent ?? {}), route, url: target };
}

function parseUrl(value: unknown, read: FieldReader): URL | null {
  const url = typeof value === "string" && value.length <= 8_192 ? URL.parse(value) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  read.reject("url", "missing or not an http(s) address; accepted is the provider's");
  return null;
}

/** The intent of a call. A reroute stays with its provider: the client holds no other's key. */
export function intentOfCall({ facts, intent, route }: ProviderCall): RawIntent {
  const { expected, p95 } = estimateInput(facts);
  return {
    ...intent,
    model: `${route.provider}:${facts.model}`,
    operation: facts.operation,
    providers: [route.provider],
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

/**
 * A decision on a call as what to do with it.
 * @throws WeirError `internal` where an obligation cannot be put into the request: it is not sent then
 */
export function answerCall(call: ProviderCall, decision: Decision): CallAnswer {
  const { effect } = decision;
  const result = decisionToJson(decision);
  const { format } = call.facts;
  const input_tokens = estimateInput(call.facts, decision.model || call.facts.model).expected;
  if (effect === "block" || effect === "throttle") {
    const answer = answerRefusal(format, refusalOf({ ...decision, effect }));
    return { answer, format, input_tokens, request: null, result };
  }
  return { answer: null, format, input_tokens, request: requestOf(call, decision), result };
}

/** A call that uses no model. */
export const PASSED: CallAnswer = {
  answer: null,
  format: "",
  input_tokens: 0,
  request: null,
  result: null,
};

function requestOf(call: ProviderCall, decision: Decision): CallAnswer["request"] {
  const { bytes, facts, url } = call;
  const { headers = {}, max_output_tokens, service_tier, strip = [] } = decision.obligations;
  const patch = patchRequest({ bytes, facts }, url.pathname, {
    includeUsage: true,
    strip,
    ...(decision.effect === "reroute" && {
      model: decision.model.slice(decision.model.indexOf(":") + 1),
    }),
    ...(max_output_tokens !== undefined && { outputMax: max_output_tokens }),
    ...(service_tier !== undefined && { serviceTier: service_tier }),
  });
  const unknown = patch.unknownStrips.filter((feature) => !isFeature(feature));
  if (unknown.length > 0) {
    const message = `the policy strips ${unknown.join(", ")}, which no request format has`;
    throw new WeirError("internal", "internal error", { cause: new Error(message) });
  }
  const target = new URL(url);
  target.pathname = patch.path;
  return {
    url: target.href,
    body:
      patch.patches.length === 0
        ? null
        : new TextDecoder().decode(applyPatches(bytes, patch.patches)),
    headers,
    strips_usage:
      facts.stream && !facts.streamTellsUsage && FORMATS[facts.format].includeUsagePath !== null,
  };
}

function isFeature(feature: string): boolean {
  return Object.values(FORMATS).some(({ stripped }) => Object.hasOwn(stripped, feature));
}
