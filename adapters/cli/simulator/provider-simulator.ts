import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { FormatName } from "../../../engine/provider/format.ts";
import { isUnmetered, type ProviderRoute, routeOf } from "../../../engine/provider/route.ts";
import type { Address } from "../../config/values.ts";
import { answerTo } from "./answer-to.ts";
import { type Answer, documentsOf, wholeOf } from "./answers.ts";
import { eventStreamMessage, sseBytes } from "./wire.ts";

/** What a provider would bill for one call. */
export interface ServedCall {
  readonly provider: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly stream: boolean;
  /** The client left, or the simulator cut it, before the end. */
  readonly aborted: boolean;
}

/** One request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** How calls are answered; absent parts as usual. */
export interface Behaviour {
  /** Answers with an error of this status, in the provider's form. */
  readonly status?: number;
  /** Told with the error. */
  readonly retryAfterMs?: number;
  /** Waits before each event of a stream, ms. */
  readonly eventDelayMs?: number;
  /** Closes the connection after so many events; before any answer where it is 0. */
  readonly cutAfterEvents?: number;
  /** Waits in the middle of a stream. */
  readonly pause?: { readonly afterEvents: number; readonly until: Promise<void> };
  /** Waits after so many events until the client leaves; before any answer where it is 0. */
  readonly hangAfterEvents?: number;
  /** Announces a length on a stream, as some proxies do. */
  readonly contentLength?: boolean;
  /** Compresses the answer though nobody asked. */
  readonly compress?: boolean;
  /** Length of the answer; a token each. */
  readonly words?: number;
}

/** The provider key of each API that the simulator takes. */
export const SIMULATED_KEYS = {
  anthropic: "sim-anthropic-key",
  bedrock: "sim-bedrock-key",
  google: "sim-google-key",
  mistral: "sim-mistral-key",
  openai: "sim-openai-key",
} as const;

/** A stand-in for every provider, which counts what it serves. */
export interface ProviderSimulator {
  readonly address: Address;
  /** "http://127.0.0.1:PORT". */
  readonly url: string;
  readonly served: readonly ServedCall[];
  readonly seen: readonly SeenRequest[];
  /** Answers like this until told otherwise. */
  behave(behaviour: Behaviour): void;
  /** Answers the next calls like these, one each, and those after them as told by `behave`. */
  script(...behaviours: readonly Behaviour[]): void;
  /** Forgets what was served and seen. */
  reset(): void;
  /** Ends at once, cutting what is open. */
  close(): Promise<void>;
}

/**
 * Starts one on loopback: every format that Weir reads, whole and as streams. The provider is the one of the
 * Host header, else the one whose form the path has; Mistral's API is below /mistral too.
 */
export async function startProviderSimulator(port = 0): Promise<ProviderSimulator> {
  let behaviour: Behaviour = {};
  const scripted: Behaviour[] = [];
  const served: ServedCall[] = [];
  const seen: SeenRequest[] = [];
  const next = (): Behaviour => scripted.shift() ?? behaviour;
  const server = createServer((request, response) => {
    void handle(request, response, { next, seen, served }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port: bound.port },
    behave: (told) => {
      behaviour = told;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
    reset: () => {
      served.length = 0;
      seen.length = 0;
    },
    script: (...behaviours) => {
      scripted.push(...behaviours);
    },
    seen,
    served,
    url: `http://127.0.0.1:${bound.port}`,
  };
}

interface Books {
  readonly next: () => Behaviour;
  readonly served: ServedCall[];
  readonly seen: SeenRequest[];
}

/** One call as it will be answered. */
interface Call {
  readonly route: ProviderRoute;
  readonly answer: Answer;
  readonly behaviour: Behaviour;
  /** Notes what was served. */
  readonly book: (served: Pick<ServedCall, "aborted" | "output" | "stream">) => void;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { next, seen, served }: Books,
): Promise<void> {
  const body = (await buffer(request)).toString();
  const { headers, method = "", url = "" } = request;
  seen.push({ body, headers, method, path: url });
  const path = url.split("?", 1)[0] ?? "";
  const mount = path.startsWith("/mistral/") ? "mistral" : undefined;
  const route = routeOf(headers.host ?? "", path, mount);
  if (route === null) {
    if (isUnmetered(method, path)) return sendJson(response, 200, { object: "list", data: [] });
    return sendJson(response, 404, { error: { message: `no such path ${path}` } });
  }
  if (!isAuthorized(route.provider, headers)) {
    return sendJson(response, 401, errorOf(route.format, "the provider does not know this key"));
  }
  const behaviour = next();
  if (behaviour.status !== undefined) {
    const { retryAfterMs, status } = behaviour;
    const told = retryAfterMs === undefined ? {} : { "retry-after-ms": String(retryAfterMs) };
    return sendJson(response, status, errorOf(route.format, "simulated"), told);
  }
  const parsed = JSON.parse(body) as Record<string, unknown>;
  const answer = answerTo(route, parsed, body, behaviour.words);
  const call: Call = {
    answer,
    behaviour,
    book: (rest) => {
      served.push({ ...rest, input: answer.input, model: answer.model, provider: route.provider });
    },
    route,
  };
  if (route.pathStream || parsed["stream"] === true) await sendStream(response, call);
  else await sendAnswer(response, call);
}

function isAuthorized(provider: string, headers: IncomingMessage["headers"]): boolean {
  const known: Readonly<Record<string, string>> = SIMULATED_KEYS;
  const bearer = headers.authorization?.replace(/^Bearer /, "");
  const given = headers["x-api-key"] ?? headers["x-goog-api-key"] ?? bearer;
  return given !== undefined && given === known[provider];
}

async function sendAnswer(
  response: ServerResponse,
  { answer, behaviour, book, route }: Call,
): Promise<void> {
  if (behaviour.cutAfterEvents === 0) {
    response.destroy();
    return;
  }
  if (behaviour.hangAfterEvents === 0) {
    if (!response.destroyed) await once(response, "close");
    book({ aborted: true, output: 0, stream: false });
    return;
  }
  book({ aborted: false, output: answer.output, stream: false });
  const text = JSON.stringify(wholeOf(route.format, answer));
  if (behaviour.compress !== true) return sendJson(response, 200, text);
  response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" });
  response.end(gzipSync(text));
}

const ENDS_WITH_DONE = new Set<FormatName>(["mistral.chat", "openai.chat", "openai.completions"]);

async function sendStream(
  response: ServerResponse,
  { answer, behaviour, book, route }: Call,
): Promise<void> {
  const { format } = route;
  const isBinary = format === "bedrock.converse";
  const events = documentsOf(format, answer).map(({ name, payload, words }) => ({
    bytes: isBinary
      ? eventStreamMessage(name, payload)
      : sseBytes([payload], { named: name !== "" }),
    words,
  }));
  if (ENDS_WITH_DONE.has(format)) {
    events.push({ bytes: sseBytes([], { done: true }), words: answer.output });
  }
  if (behaviour.cutAfterEvents === 0) {
    response.destroy();
    return;
  }
  const length = events.reduce((sum, { bytes }) => sum + bytes.length, 0);
  response.writeHead(200, {
    "content-type": isBinary ? "application/vnd.amazon.eventstream" : "text/event-stream",
    ...(behaviour.contentLength === true ? { "content-length": String(length) } : {}),
  });
  let output = 0;
  let aborted = false;
  for (const [index, { bytes, words }] of events.entries()) {
    if (index === behaviour.hangAfterEvents && !response.destroyed) await once(response, "close");
    if (index === behaviour.pause?.afterEvents) await behaviour.pause.until;
    if (index === behaviour.cutAfterEvents || response.destroyed) {
      aborted = true;
      break;
    }
    await sleep(behaviour.eventDelayMs ?? 0);
    response.write(bytes);
    output = words;
  }
  book({ aborted, output, stream: true });
  if (!aborted) {
    response.end();
    return;
  }
  // What was written reaches the client before the connection breaks.
  if (!response.destroyed) await sleep(20);
  response.destroy();
}

function errorOf(format: FormatName, message: string): object {
  if (format === "anthropic.messages") {
    return { type: "error", error: { type: "api_error", message } };
  }
  return { error: { code: null, message, param: null, type: "simulated" } };
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: object | string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-length": Buffer.byteLength(text),
    "content-type": "application/json",
    ...headers,
  });
  response.end(text);
}
