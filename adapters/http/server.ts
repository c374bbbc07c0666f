import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Decision } from "../../engine/decision/decision.ts";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Weir } from "../../engine/weir.ts";
import { type Authenticator, callerOf } from "./authenticate.ts";
import { readJson } from "./body.ts";
import { answerCall, callFromBody, intentOfCall, PASSED } from "./call.ts";
import { answerFromDecision } from "./from-decision.ts";
import { reportResultToJson } from "./from-report-result.ts";
import { HttpProblem, refusalOf } from "./status.ts";
import { refuseMalformed, send } from "./send.ts";
import { intentFromBody } from "./to-intent.ts";
import { cancelFromBody, reportFromBody } from "./to-report.ts";

/** What the service says of itself; only "ready" is ready. */
export type Readiness = "starting" | "ready" | "draining";

/** Everything the HTTP ingress needs. */
export interface HttpOptions {
  /** The engine; throws a WeirError for as long as there is none. */
  readonly weir: () => Weir;
  readonly authenticator: Authenticator;
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  readonly readiness: () => Readiness;
  /** The exposition that `/metrics` answers. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Told of every internal error; the client only learns that there was one. */
  readonly onFault?: (error: WeirError) => void;
}

/** A listening server. */
export interface HttpService {
  readonly port: number;
  /**
   * Takes no more requests and answers those in flight; after `timeoutMs` whatever is left is cut
   * off. Always resolves: true if nothing was cut off.
   */
  drain(timeoutMs: number): Promise<boolean>;
}

interface Context extends HttpOptions {
  draining: boolean;
}

type Handler = (
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void>;

const ROUTES = new Map<string, { readonly methods: readonly string[]; readonly handle: Handler }>([
  ["/healthz", { methods: ["GET", "HEAD"], handle: health }],
  ["/readyz", { methods: ["GET", "HEAD"], handle: ready }],
  ["/metrics", { methods: ["GET", "HEAD"], handle: metrics }],
  ["/v1/data/weir/decision", { methods: ["POST"], handle: decide }],
  ["/v1/calls", { methods: ["POST"], handle: decideCall }],
  ["/v1/report", { methods: ["POST"], handle: report }],
  ["/v1/cancel", { methods: ["POST"], handle: cancel }],
]);

/**
 * Serves health, readiness, metrics, OPA-style decisions, reports and cancels; a failure to listen is
 * `config.invalid` and names the address.
 */
export async function startHttpServer(options: HttpOptions): Promise<HttpService> {
  const context: Context = { ...options, draining: false };
  const server = createServer(LIMITS_OF_HTTP, (request, response) => {
    void answer(context, request, response);
  });
  server.on("clientError", refuseMalformed);
  await listen(server, options);
  let drained: Promise<boolean> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    drain: (timeoutMs) => {
      context.draining = true;
      return (drained ??= close(server, timeoutMs));
    },
  };
}

async function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const message = `cannot listen on ${host}, port ${port}: ${(cause as Error).message}`;
    throw new WeirError("config.invalid", message, { cause });
  }
}

const LIMITS_OF_HTTP = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  connectionsCheckingInterval: 5_000,
};

async function answer(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (context.draining) response.setHeader("connection", "close");
    await route(context, request, response);
  } catch (thrown) {
    const error = thrown instanceof HttpProblem ? thrown : WeirError.from(thrown);
    if (error.name === "WeirError" && error.code === "internal") context.onFault?.(error);
    const { status, headers, body } = refusalOf(error);
    send(response, status, body, headers);
  }
}

async function route(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  const method = request.method ?? "";
  const found = ROUTES.get(path);
  if (found === undefined) {
    const shown = JSON.stringify(path.slice(0, 128));
    throw new HttpProblem(
      "http.not_found",
      `nothing is served at ${shown}; accepted are ${[...ROUTES.keys()].join(", ")}`,
    );
  }
  if (!found.methods.includes(method)) {
    const allow = found.methods.join(", ");
    throw new HttpProblem(
      "http.method_not_allowed",
      `${method} is not accepted at ${path}; accepted is ${allow}`,
      { allow },
    );
  }
  await found.handle(context, request, response);
}

async function health(_: Context, __: IncomingMessage, response: ServerResponse): Promise<void> {
  send(response, 200, { status: "ok" });
}

async function ready(
  context: Context,
  _: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const status = context.draining ? "draining" : context.readiness();
  send(response, status === "ready" ? 200 : 503, { status });
}

async function metrics(
  context: Context,
  _: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { contentType, text } = await context.metrics();
  response.writeHead(200, { "content-type": contentType, "cache-control": "no-store" });
  response.end(text);
}

async function decide(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (context.draining) throw new WeirError("server.draining", "the server is shutting down");
  const weir = context.weir();
  const caller = callerOf(request, context.authenticator);
  const body = await readJson(request);
  if (body === null) return;
  const decision = await weir.decide(intentFromBody(body.json), caller);
  await deliver(response, weir, decision, () => answerFromDecision(decision));
}

async function decideCall(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (context.draining) throw new WeirError("server.draining", "the server is shutting down");
  const weir = context.weir();
  const caller = callerOf(request, context.authenticator);
  const body = await readJson(request, LIMITS.callBytes);
  if (body === null) return;
  const call = callFromBody(body.json);
  if (call === null) {
    send(response, 200, PASSED);
    return;
  }
  const decision = await weir.decide(intentOfCall(call), caller);
  await deliver(response, weir, decision, () => answerCall(call, decision));
}

/** Sends what was decided. Of an answer that nobody gets, or that cannot be given, nothing stays held. */
async function deliver(
  response: ServerResponse,
  weir: Weir,
  decision: Decision,
  answer: () => object,
): Promise<void> {
  if (response.destroyed) {
    await weir.undelivered(decision);
    return;
  }
  response.once("close", () => {
    if (!response.writableFinished) void weir.undelivered(decision);
  });
  try {
    send(response, 200, answer());
  } catch (thrown) {
    await weir.undelivered(decision);
    throw thrown;
  }
}

// Reports are taken while draining: they only settle what was decided before.
async function report(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const weir = context.weir();
  const caller = callerOf(request, context.authenticator);
  const body = await readJson(request);
  if (body === null) return;
  const result = await weir.report(reportFromBody(body.json), caller);
  send(response, 200, { result: reportResultToJson(result) });
}

async function cancel(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const weir = context.weir();
  const caller = callerOf(request, context.authenticator);
  const body = await readJson(request);
  if (body === null) return;
  // The engine names and refuses what is no id.
  send(response, 200, await weir.cancel(cancelFromBody(body.json) as string, caller));
}

const IDLE_CHECK_MS = 20;

async function close(server: Server, timeoutMs: number): Promise<boolean> {
  let clean = true;
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // A connection that is busy now is idle once it has its answer.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const timeout = setTimeout(() => {
    clean = false;
    server.closeAllConnections();
  }, timeoutMs);
  await closed;
  clearInterval(idle);
  clearTimeout(timeout);
  return clean;
}
