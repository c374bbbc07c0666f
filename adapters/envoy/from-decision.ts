import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import { answerRefusal, type RefusalAnswer } from "../../engine/provider/answer-refusal.ts";
import type { FormatName } from "../../engine/provider/format.ts";
import { FORMATS } from "../../engine/provider/formats.ts";
import type { BytePatch } from "../../engine/provider/json-edit.ts";
import { patchRequest } from "../../engine/provider/patch.ts";
import { refusalOf } from "../../engine/provider/refusal.ts";
import { estimateInput } from "../../engine/provider/request.ts";
import type { Caller } from "../../engine/weir.ts";
import type { JsonObject } from "./codec.ts";
import { headerText, type Headers, isKeyHeader, PREFIX, ROUTE_HEADER } from "./headers.ts";
import type { Ticket, Tickets } from "./ticket.ts";
import type { Call, GatewayRequest } from "./to-intent.ts";

/** What becomes of a request, before it is put into the words of one of Envoy's services. */
export type Admission = Admitted | Refused;

/** It goes to the provider, changed like this. */
export interface Admitted {
  readonly kind: "admitted";
  /** Null for a call that uses no model and was let through undecided. */
  readonly decision: Decision | null;
  readonly ticket: Ticket | null;
  readonly format: FormatName | null;
  /** Set on the request, overwriting; ":path" where it changes. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly removedHeaders: readonly string[];
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly patches: readonly BytePatch[];
  /** The stream's closing figures were asked for by us, so the client does not expect them. */
  readonly stripsUsage: boolean;
  readonly metadata: JsonObject;
}

/** It does not, and this is the answer. */
export interface Refused {
  readonly kind: "refused";
  readonly decision: Decision | null;
  readonly answer: RefusalAnswer;
  readonly metadata: JsonObject;
}

export function refuse(
  answer: RefusalAnswer,
  metadata: JsonObject,
  decision: Decision | null = null,
): Refused {
  return { answer, decision, kind: "refused", metadata };
}

/** A call without a model, of a caller that is known: through, and nothing to settle. */
export function passUnmetered(request: GatewayRequest, { provider }: Call): Admitted {
  return {
    decision: null,
    format: null,
    kind: "admitted",
    metadata: { effect: "unmetered" },
    patches: [],
    removedHeaders: privateHeaders(request.headers),
    requestHeaders: { [ROUTE_HEADER]: headerText(provider), ...pathHeader(request, request.path) },
    responseHeaders: { [`${PREFIX}effect`]: "unmetered" },
    stripsUsage: false,
    ticket: null,
  };
}

/** What an admission is made of. */
export interface Judged {
  readonly request: GatewayRequest;
  readonly call: Call;
  readonly caller: Caller;
  readonly decision: Decision;
  readonly tickets: Tickets;
}

/**
 * A decision as an admission.
 * @throws WeirError `internal` where an obligation cannot be put into the request: it is not sent then
 */
export function admit(judged: Judged): Admission {
  const { call, decision } = judged;
  const { effect, id } = decision;
  if (effect === "block" || effect === "throttle") {
    const refusal = refusalOf({ ...decision, effect });
    const told =
      call.detail === "" ? refusal : { ...refusal, message: `${refusal.message} (${call.detail})` };
    const metadata = { decision_id: id, effect, tenant: decision.tenant };
    return refuse(answerRefusal(call.route?.format ?? null, told), metadata, decision);
  }
  return admitted(judged);
}

function admitted({ request, call, caller, decision, tickets }: Judged): Admitted {
  const { effect, id, model, tenant } = decision;
  const [provider, name] = splitModel(model);
  const { path, patches, stripsUsage } = changes(request, call, decision, name);
  const ticket: Ticket = {
    decisionId: id,
    format: call.facts?.format ?? null,
    inputTokens: inputTokens(call, name),
    model,
    outputTokensMax: decision.estimate.outputTokensMax,
    principal: caller.principal,
  };
  const body_patch = patches.map(({ insert, offset, remove }) => ({
    del: remove,
    ins: insert,
    off: offset,
  }));
  return {
    decision,
    format: ticket.format,
    kind: "admitted",
    metadata: {
      body_patch,
      decision_id: id,
      effect,
      model,
      strip_usage: stripsUsage,
      tenant,
      ticket: tickets.seal(ticket),
    },
    patches,
    removedHeaders: privateHeaders(request.headers),
    requestHeaders: {
      ...obligedHeaders(decision),
      [ROUTE_HEADER]: headerText(provider),
      ...pathHeader(request, path),
    },
    responseHeaders: {
      [`${PREFIX}decision-id`]: id,
      [`${PREFIX}effect`]: effect,
      [`${PREFIX}model`]: headerText(model),
    },
    stripsUsage,
    ticket,
  };
}

function splitModel(model: string): readonly [provider: string, name: string] {
  const colon = model.indexOf(":");
  return [model.slice(0, colon), model.slice(colon + 1)];
}

/** Tokens of the input, for an answer that tells none; of what was not read, its bytes. */
function inputTokens({ bytes, facts }: Call, model: string): number {
  return facts === null ? bytes.length : estimateInput(facts, model).expected;
}

function changes(request: GatewayRequest, call: Call, decision: Decision, model: string) {
  const { bytes, facts } = call;
  if (facts === null) return { patches: [], path: request.path, stripsUsage: false };
  const {
    max_output_tokens: outputMax,
    service_tier: serviceTier,
    strip = [],
  } = decision.obligations;
  const [path, query] = splitQuery(request.path);
  const patch = patchRequest({ bytes, facts }, path, {
    includeUsage: true,
    strip,
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(decision.effect === "reroute" ? { model } : {}),
    ...(outputMax === undefined ? {} : { outputMax }),
  });
  const impossible = patch.unknownStrips.filter((feature) => !isKnownFeature(feature));
  if (impossible.length > 0) {
    const message = `the policy strips ${impossible.join(", ")}, which no request format has`;
    throw new WeirError("internal", "internal error", { cause: new Error(message) });
  }
  const asksUsage = FORMATS[facts.format].includeUsagePath !== null;
  return {
    patches: patch.patches,
    path: patch.path + query,
    stripsUsage: facts.stream && !facts.streamTellsUsage && asksUsage,
  };
}

function isKnownFeature(feature: string): boolean {
  return Object.values(FORMATS).some(({ stripped }) => Object.hasOwn(stripped, feature));
}

/** Everything of ours that the client sent, and the key it was let in with. */
function privateHeaders(headers: Headers): readonly string[] {
  return [...headers.keys()].filter(
    (name) => name !== ROUTE_HEADER && (name.startsWith(PREFIX) || isKeyHeader(name)),
  );
}

const UNTOUCHABLE =
  /^(?:x-weir-.*|x-envoy-.*|host|connection|content-length|te|transfer-encoding|upgrade)$/;

function obligedHeaders({ obligations }: Decision): Readonly<Record<string, string>> {
  const entries = Object.entries(obligations.headers ?? {}).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  return Object.fromEntries(
    entries.filter(
      ([name]) => /^[a-z]/.test(name) && !UNTOUCHABLE.test(name) && !isKeyHeader(name),
    ),
  );
}

/** The path where it changes: by another model, or because it holds a key of the client's own. */
function pathHeader(request: GatewayRequest, path: string): Readonly<Record<string, string>> {
  const [bare, query] = splitQuery(path);
  const kept = query
    .slice(1)
    .split("&")
    .filter((part) => part !== "" && !/^key(=|$)/i.test(part))
    .join("&");
  const clean = kept === "" ? bare : `${bare}?${kept}`;
  return clean === request.path ? {} : { ":path": clean };
}

function splitQuery(path: string): readonly [path: string, query: string] {
  const at = path.indexOf("?");
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at)];
}
