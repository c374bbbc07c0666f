import type { FormatName } from "../../engine/provider/format.ts";
import { applyPatches } from "../../engine/provider/json-edit.ts";
import { patchRequest } from "../../engine/provider/patch.ts";
import type { RequestFacts } from "../../engine/provider/request.ts";
import type { ProviderRoute } from "../../engine/provider/route.ts";
import type { CallDecision } from "./decision.ts";
import type { ClientOptions } from "./options.ts";
import { PRIVATE_PREFIX } from "./scope.ts";

/** A request as a client library made it, its body in hand. */
export interface Incoming {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array | string | null;
}

/** A call to a model, read. */
export interface ModelCall {
  readonly route: ProviderRoute;
  readonly facts: RequestFacts;
  readonly bytes: Uint8Array;
}

/** The request to send in the end. */
export interface Outgoing {
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array | string | null;
  /** The stream was asked to tell its usage, which the client did not want. */
  readonly hidesUsage: boolean;
}

/** Whose form a request has; Mistral's chat is close enough to OpenAI's to be taken as it. */
function apiOf(format: FormatName): string {
  const [owner = ""] = format.split(".");
  return owner === "mistral" ? "openai" : owner;
}

/** Providers with a form of their own; all others speak OpenAI's. */
const OWN_FORM = new Set(["anthropic", "bedrock", "google"]);

/** The providers whose API takes the request as it is: its own, and targets of the same form. */
export function reachable({ facts, route }: ModelCall, options: ClientOptions): readonly string[] {
  const targets = Object.entries(options.targets ?? {});
  const same = targets.filter(([provider, { api }]) => {
    const form = api ?? (OWN_FORM.has(provider) ? provider : "openai");
    return form === apiOf(facts.format) && facts.modelIn === "body";
  });
  return [...new Set([route.provider, ...same.map(([provider]) => provider)])];
}

/** The path below the target's base for the same kind of call. */
function tailOf(path: string, baseUrl: string): string {
  const tail =
    /\/(?:chat\/completions|completions|responses|embeddings|messages|images\/generations|audio\/speech)$/.exec(
      path,
    )?.[0];
  return new URL(baseUrl).pathname.replace(/\/+$/, "") + (tail ?? path);
}

/** Headers in which keys and accounts of one provider stand; another must not see them. */
const CREDENTIALS = [
  "authorization",
  "api-key",
  "x-api-key",
  "x-goog-api-key",
  "cookie",
  "openai-organization",
  "openai-project",
];

/**
 * The request with everything the decision asks: model, cap, features, headers. Null where it leads to a
 * provider that cannot be called.
 */
export function outgoingOf(
  call: ModelCall,
  incoming: Incoming,
  decision: CallDecision,
  options: ClientOptions,
): Outgoing | null {
  const { facts, route } = call;
  const { obligations } = decision;
  const { headers, url } = incoming;
  const at = decision.model.indexOf(":");
  const [provider, model] = [decision.model.slice(0, at), decision.model.slice(at + 1)];
  const moves = decision.effect === "reroute" && provider !== route.provider;
  const target = moves ? options.targets?.[provider] : undefined;
  if (moves && (target === undefined || !reachable(call, options).includes(provider))) {
    return null;
  }
  const includeUsage = options.askUsage !== false;
  const patch = patchRequest(call, url.pathname, {
    ...(decision.effect === "reroute" && { model }),
    outputMax: obligations.maxOutputTokens,
    strip: obligations.strip,
    includeUsage,
  });
  const sent = withoutPrivate(headers);
  const place = new URL(url);
  place.pathname = patch.path;
  if (target !== undefined) {
    for (const name of CREDENTIALS) sent.delete(name);
    for (const [name, value] of Object.entries(target.headers)) sent.set(name, value);
    const base = new URL(target.baseUrl);
    place.protocol = base.protocol;
    place.host = base.host;
    place.pathname = tailOf(patch.path, target.baseUrl);
    place.search = base.search;
  }
  for (const [name, value] of Object.entries(obligations.headers)) sent.set(name, value);
  const isChanged = patch.patches.length > 0;
  if (isChanged) sent.delete("content-length");
  return {
    url: place.href,
    headers: sent,
    body: isChanged ? applyPatches(call.bytes, patch.patches) : incoming.body,
    hidesUsage: includeUsage && facts.stream && !facts.streamTellsUsage,
  };
}

/** The headers without those that are for Weir. */
export function withoutPrivate(headers: Headers): Headers {
  const kept = new Headers(headers);
  for (const name of headers.keys()) if (name.startsWith(PRIVATE_PREFIX)) kept.delete(name);
  return kept;
}

/** A request as it was handed to `fetch`; the body is null where it cannot be read without being used up. */
export async function incomingOf(
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Incoming> {
  const request = input instanceof Request ? input : null;
  const url = new URL(request === null ? (input as string | URL) : request.url);
  const method = (init.method ?? request?.method ?? "GET").toUpperCase();
  const headers = new Headers(init.headers ?? request?.headers);
  return { body: await bodyOf(init.body, request), headers, method, url };
}

async function bodyOf(
  body: RequestInit["body"],
  request: Request | null,
): Promise<Incoming["body"]> {
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body))
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof Blob) return new Uint8Array(await body.arrayBuffer());
  if (body !== undefined && body !== null) return null;
  return request?.body ? new Uint8Array(await request.clone().arrayBuffer()) : null;
}
