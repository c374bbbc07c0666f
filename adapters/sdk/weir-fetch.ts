import { answerRefusal } from "../../engine/provider/answer-refusal.ts";
import { faultRefusal, type Refusal } from "../../engine/provider/refusal.ts";
import { estimateInput, readRequest } from "../../engine/provider/request.ts";
import { settledUsage } from "../../engine/provider/response.ts";
import { isUnmetered, type ProviderRoute, routeOf } from "../../engine/provider/route.ts";
import { namesOfUnknown, NO_TOKENS, type UsageReading } from "../../engine/provider/usage.ts";
import { digestOf } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { CallDecision, CallOutcome, CallReport, CallScope, Settlement } from "./decision.ts";
import { intentOfRequest } from "./intent-of-request.ts";
import {
  type Incoming,
  incomingOf,
  type ModelCall,
  type Outgoing,
  outgoingOf,
  reachable,
  withoutPrivate,
} from "./outgoing.ts";
import { scopeOfHeaders, within } from "./scope.ts";
import { type BodyEnd, watchBody } from "./watch.ts";

/** What Weir knows of a call that went through. */
export interface GovernedCall {
  readonly decision: CallDecision;
  /** What it was settled at, once it is; null if the report was lost. */
  readonly settled: Promise<Settlement | null>;
}

const CALLS = new WeakMap<Response, GovernedCall>();

/** The decision and, in time, the settlement behind a response; null if Weir had no part in it. */
export function callOf(response: Response): GovernedCall | null {
  return CALLS.get(response) ?? null;
}

/** A `fetch` whose every model call is decided before, and settled after. */
export function weirFetch(core: Core, scope: () => CallScope): typeof fetch {
  return async (input, init) => {
    const incoming = await incomingOf(input, init);
    const { headers, method, url } = incoming;
    const send = core.options.fetch ?? fetch;
    const pass = (): Promise<Response> =>
      send(input, { ...init, headers: withoutPrivate(headers) });
    if (isUnmetered(method, url.pathname)) return pass();
    const route = routeOf(url.host, url.pathname, core.options.providers?.[url.host]);
    const call = readCall(route, incoming);
    if (typeof call === "string") {
      if (core.options.unknownCalls === "pass") return pass();
      return refuse(route, unknownCall(call));
    }
    return governed(core, within(scope(), scopeOfHeaders(headers)), call, incoming, init ?? {});
  };
}

function readCall(route: ProviderRoute | null, incoming: Incoming): ModelCall | string {
  const { body, url } = incoming;
  if (route === null) return `${url.host}${url.pathname} is no model call known here`;
  if (body === null) return "the body is not JSON";
  const reading = readRequest(route, body);
  return reading.ok ? { ...reading, route } : reading.reason;
}

function unknownCall(why: string): Refusal {
  const message = `blocked by weir: ${why.slice(0, 200)}; unknownCalls "pass" would let it through`;
  return { ...faultRefusal("sdk.unknown_call", message), kind: "blocked" };
}

function refuse(route: ProviderRoute | null, refusal: Refusal): Response {
  const { body, headers, status } = answerRefusal(route?.format ?? null, refusal);
  return new Response(body, { headers, status });
}

async function governed(
  core: Core,
  scope: CallScope,
  call: ModelCall,
  incoming: Incoming,
  init: RequestInit,
): Promise<Response> {
  const { route } = call;
  const fingerprint = digestOf(call.bytes);
  const key = `${incoming.url.href} ${fingerprint}`;
  const attempt = core.attempts.open(key, retryCountOf(incoming.headers));
  const step = core.nextStep(scope.run);
  const providers = reachable(call, core.options);
  const more = { fingerprint, providers, step };
  const passage = await core.ask(intentOfRequest(call.facts, route.provider, scope, attempt, more));
  if (passage.kind === "refused") {
    const { refusal } = passage;
    if (refusal.kind !== "blocked") core.attempts.failed(key, attempt, REASONS[refusal.kind]);
    return refuse(route, refusal);
  }
  const send = core.options.fetch ?? fetch;
  if (passage.kind === "open") {
    const headers = withoutPrivate(incoming.headers);
    const response = await send(incoming.url.href, {
      ...init,
      ...bodyAnd(incoming.body),
      headers,
      method: incoming.method,
    });
    return marked(response, response.body, { "x-weir-effect": "open" });
  }
  const { decision } = passage;
  const outgoing = outgoingOf(call, incoming, decision, core.options);
  if (outgoing === null) {
    await core.release(decision);
    return refuse(route, noWay(decision));
  }
  const failed = (reason: string): void => core.attempts.failed(key, attempt, reason);
  return new Sent(core, call, decision, outgoing, failed).send(send, incoming.method, init);
}

const REASONS = { fault: "weir_unavailable", throttled: "throttled" } as const;

function bodyAnd(body: Incoming["body"]): Pick<RequestInit, "body"> {
  return body === null ? {} : { body: body as NonNullable<RequestInit["body"]> };
}

function noWay({ id, model }: CallDecision): Refusal {
  const message = `blocked by weir: rerouted to ${model}, which no target of this client leads to; decision ${id}`;
  return { ...faultRefusal("sdk.no_target", message), decisionId: id, kind: "blocked" };
}

/** What OpenAI's and Anthropic's libraries say of their own retries. */
function retryCountOf(headers: Headers): number {
  const count = headers.get("x-stainless-retry-count");
  return count !== null && /^\d{1,3}$/.test(count) ? Number(count) : 0;
}

function marked(
  response: Response,
  body: ReadableStream<Uint8Array> | null,
  more: Readonly<Record<string, string>>,
): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const { status, statusText, url } = response;
  const copy = new Response(body, { headers, status, statusText });
  Object.defineProperty(copy, "url", { value: url });
  return copy;
}

/** One allowed call on its way: sent, watched, settled once. */
class Sent {
  readonly #core: Core;
  readonly #call: ModelCall;
  readonly #decision: CallDecision;
  readonly #outgoing: Outgoing;
  readonly #failed: (reason: string) => void;

  constructor(
    core: Core,
    call: ModelCall,
    decision: CallDecision,
    outgoing: Outgoing,
    failed: (reason: string) => void,
  ) {
    this.#core = core;
    this.#call = call;
    this.#decision = decision;
    this.#outgoing = outgoing;
    this.#failed = failed;
  }

  async send(send: typeof fetch, method: string, init: RequestInit): Promise<Response> {
    const { body, headers, url } = this.#outgoing;
    const isAborted = (): boolean => init.signal?.aborted === true;
    let response: Response;
    try {
      response = await send(url, { ...init, ...bodyAnd(body), headers, method });
    } catch (thrown) {
      await this.#unanswered(thrown, isAborted());
      throw thrown;
    }
    if (response.status >= 400) {
      this.#failed(response.status === 400 ? "invalid_request" : `http_${response.status}`);
      // Providers charge nothing for what they answer with an error.
      const settled = this.#report({ basis: "provider", outcome: "error", usage: NO_TOKENS });
      return this.#handOver(response, response.body, settled);
    }
    let settle: (settlement: Settlement | null) => void = () => {};
    const settled = new Promise<Settlement | null>((resolve) => {
      settle = resolve;
    });
    const over = (end: BodyEnd, reading: UsageReading): void => {
      if (end === "broken") this.#failed("broken");
      void this.#settle(end, reading).then(settle);
    };
    if (response.body === null) {
      void this.#report({ basis: "estimated", outcome: "ok", usage: NO_TOKENS }).then(settle);
      return this.#handOver(response, null, settled);
    }
    const contentType = response.headers.get("content-type") ?? "";
    const { hidesUsage } = this.#outgoing;
    const { format } = this.#call.facts;
    const watch = { contentType, format, hidesUsage, isAborted, over };
    return this.#handOver(response, watchBody(response.body, watch), settled);
  }

  /** No response at all: released if the provider was never reached, else the input is paid. */
  async #unanswered(thrown: unknown, isAborted: boolean): Promise<void> {
    this.#failed(isAborted ? "timeout" : "network");
    if (!isAborted && wasNeverReached(thrown)) await this.#core.release(this.#decision);
    else {
      const usage = { ...NO_TOKENS, input: this.#inputTokens() };
      const outcome = isAborted ? "cancelled" : "error";
      void this.#report({ basis: "estimated", outcome, usage });
    }
  }

  #settle(end: BodyEnd, reading: UsageReading): Promise<Settlement | null> {
    const { basis, usage } = settledUsage(reading, this.#inputTokens(), this.#decision.model);
    const { format, stream } = this.#call.facts;
    const { serviceTier, unknownFields } = reading;
    return this.#report({
      basis,
      outcome: outcomeOf(end, reading, stream),
      ...(serviceTier !== "" && { serviceTier }),
      unknownUsage: namesOfUnknown(format, unknownFields),
      usage,
    });
  }

  #inputTokens(): number {
    const { model } = this.#decision;
    return estimateInput(this.#call.facts, model.slice(model.indexOf(":") + 1)).expected;
  }

  #report(told: Omit<CallReport, "decisionId">): Promise<Settlement | null> {
    return this.#core.report({ ...told, decisionId: this.#decision.id });
  }

  #handOver(
    response: Response,
    body: ReadableStream<Uint8Array> | null,
    settled: Promise<Settlement | null>,
  ): Response {
    const { effect, id, model, wouldBe } = this.#decision;
    const handed = marked(response, body, {
      "x-weir-decision-id": id,
      "x-weir-effect": effect,
      "x-weir-model": model,
      ...(wouldBe !== null && { "x-weir-would-be": wouldBe }),
    });
    CALLS.set(handed, { decision: this.#decision, settled });
    return handed;
  }
}

function outcomeOf(end: BodyEnd, reading: UsageReading, isStream: boolean): CallOutcome {
  if (reading.outcome !== "") return reading.outcome;
  if (end === "cancelled") return "cancelled";
  if (end === "broken") return "error";
  // A stream that ends without saying why was cut.
  return isStream ? "truncated" : "ok";
}

const NEVER_REACHED = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ENOTFOUND",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

function wasNeverReached(thrown: unknown): boolean {
  const cause = (thrown as { readonly cause?: { readonly code?: unknown } } | null)?.cause;
  return typeof cause?.code === "string" && NEVER_REACHED.has(cause.code);
}
