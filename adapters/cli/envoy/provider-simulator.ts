import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Address } from "../../config/values.ts";
import { answerOf, type SimulatedApi, type SimulatedCall, streamOf } from "./simulated-answers.ts";

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

/** How the next calls are answered; absent parts as usual. */
export interface Behaviour {
  /** Answers with an error of this status instead. */
  readonly status?: number;
  /** Waits before the answer, ms. */
  readonly delayMs?: number;
  /** Waits between the events of a stream, ms. */
  readonly eventDelayMs?: number;
  /** Closes the connection after so many events. */
  readonly cutAfterEvents?: number;
  /** Waits for this before it closes. */
  readonly beforeCut?: Promise<void>;
  /** Announces a length on a stream, as some proxies do. */
  readonly contentLength?: boolean;
  /** Compresses the answer though nobody asked. */
  readonly compress?: boolean;
  /** Text of the answer; a number of words makes that many. */
  readonly words?: number;
  /** Leaves out the figures. */
  readonly withoutUsage?: boolean;
}

/** The provider key of each API that the simulator takes. */
export const SIMULATED_KEYS = {
  anthropic: "sim-anthropic-key",
  google: "sim-google-key",
  mistral: "sim-mistral-key",
  openai: "sim-openai-key",
} as const;

/** A stand-in for every provider, which counts what it serves. */
export interface ProviderSimulator {
  readonly address: Address;
  readonly served: readonly ServedCall[];
  readonly seen: readonly SeenRequest[];
  /** Answers like this until told otherwise. */
  behave(behaviour: Behaviour): void;
  /** Forgets what was served and seen. */
  reset(): void;
  /** Ends at once, cutting what is open. */
  close(): Promise<void>;
}

/** Starts one on loopback; OpenAI chat, Anthropic messages and Gemini, whole and as streams. */
export async function startProviderSimulator(port = 0): Promise<ProviderSimulator> {
  let behaviour: Behaviour = {};
  const served: ServedCall[] = [];
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    void handle(request, response, { behaviour, seen, served }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port: bound.port },
    behave: (next) => {
      behaviour = next;
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
    seen,
    served,
  };
}

interface Books {
  readonly behaviour: Behaviour;
  readonly served: ServedCall[];
  readonly seen: SeenRequest[];
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  books: Books,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  const { headers, method = "", url = "" } = request;
  books.seen.push({ body, headers, method, path: url });
  const path = url.split("?", 1)[0] ?? "";
  const api = apiOf(path, headers.host ?? "");
  if (api === null) return sendJson(response, 404, { error: { message: `no such path ${path}` } });
  if (!isAuthorized(api, headers)) {
    return sendJson(response, 401, { error: { message: "the provider does not know this key" } });
  }
  const { behaviour } = books;
  if (behaviour.delayMs !== undefined) await sleep(behaviour.delayMs);
  if (behaviour.status !== undefined) {
    return sendJson(response, behaviour.status, { error: { message: "simulated" } });
  }
  const call = readCall(api, path, JSON.parse(body) as Record<string, unknown>, behaviour);
  if (call.stream) await sendStream(response, call, books);
  else sendAnswer(response, call, books);
}

function apiOf(path: string, host: string): SimulatedApi | null {
  if (path.endsWith("/messages")) return "anthropic";
  if (path.endsWith("/chat/completions")) return host.includes("mistral") ? "mistral" : "openai";
  return /:(stream)?generateContent$/i.test(path) ? "google" : null;
}

function isAuthorized(api: SimulatedApi, headers: IncomingMessage["headers"]): boolean {
  const key = SIMULATED_KEYS[api];
  if (api === "anthropic") return headers["x-api-key"] === key;
  if (api === "google") return headers["x-goog-api-key"] === key;
  return headers.authorization === `Bearer ${key}`;
}

/** Tokens of a text, for the simulator: one for four characters. */
function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}

const WORDS = 12;

function readCall(
  api: SimulatedApi,
  path: string,
  body: Record<string, unknown>,
  behaviour: Behaviour,
): SimulatedCall {
  const inPath = /\/models\/([^/:]+):/.exec(path)?.[1];
  const named = typeof body["model"] === "string" ? body["model"] : undefined;
  const generation = (body["generationConfig"] ?? {}) as Record<string, unknown>;
  const cap =
    body["max_completion_tokens"] ?? body["max_tokens"] ?? generation["maxOutputTokens"] ?? 1_000;
  const words = Math.min(behaviour.words ?? WORDS, Number(cap));
  const asked = (body["stream_options"] as { include_usage?: boolean } | undefined)?.include_usage;
  const tellsUsage = api !== "openai" || asked === true || body["stream"] !== true;
  return {
    api,
    input: tokensOf(JSON.stringify(body["messages"] ?? body["contents"] ?? "")),
    model: named ?? inPath ?? "",
    stream: body["stream"] === true || path.includes(":stream"),
    tellsUsage: tellsUsage && behaviour.withoutUsage !== true,
    words,
  };
}

function sendAnswer(
  response: ServerResponse,
  call: SimulatedCall,
  { behaviour, served }: Books,
): void {
  const { api, input, model, words } = call;
  served.push({ aborted: false, input, model, output: words, provider: api, stream: false });
  const text = JSON.stringify(answerOf(call));
  if (behaviour.compress !== true) return sendJson(response, 200, text);
  response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" });
  response.end(gzipSync(text));
}

async function sendStream(
  response: ServerResponse,
  call: SimulatedCall,
  { behaviour, served }: Books,
): Promise<void> {
  const events = streamOf(call);
  const whole = events.map(({ text }) => text).join("");
  const length = { "content-length": String(Buffer.byteLength(whole)) };
  response.writeHead(200, {
    "content-type": "text/event-stream",
    ...(behaviour.contentLength === true ? length : {}),
  });
  let output = 0;
  let aborted = false;
  for (const [index, { text, words }] of events.entries()) {
    if (index === behaviour.cutAfterEvents) await behaviour.beforeCut;
    if (response.destroyed || index === behaviour.cutAfterEvents) {
      aborted = true;
      break;
    }
    response.write(text);
    output += words;
    await sleep(behaviour.eventDelayMs ?? 0);
  }
  const { api, input, model } = call;
  served.push({ aborted, input, model, output, provider: api, stream: true });
  if (aborted) response.destroy();
  else response.end();
}

function sendJson(response: ServerResponse, status: number, body: object | string): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-length": Buffer.byteLength(text),
    "content-type": "application/json",
  });
  response.end(text);
}
