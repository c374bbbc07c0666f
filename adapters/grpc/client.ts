import { Client, credentials, Metadata, type CallOptions, type ServiceError } from "@grpc/grpc-js";
import { WeirError, type ErrorCode } from "../../engine/errors.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { openClientStream, type ClientStream, type StreamAnswer } from "./client-stream.ts";
import { CLIENT_METHODS, type ClientMethod } from "./definition.ts";
import { fromStatus } from "./status.ts";

/** Where to connect and as whom. */
export interface ConnectOptions {
  /** "host:port" or "unix:<path>". */
  readonly address: string;
  readonly key?: string;
  /** Longest a unary call may take unless it says otherwise; 10 seconds by default. */
  readonly timeoutMs?: number;
}

/** Bounds of one call. */
export interface CallBounds {
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** A stream of intents: each promise settles with its own answer, in any order. */
export interface IntentStream {
  decide(intent: Encodable<weir.v1.Intent>): Promise<weir.v1.Decision>;
  /** Half-closes; resolves when every answer has come. */
  end(): Promise<void>;
  /** Gives up at once; what is in flight is rejected. */
  cancel(): void;
}

/** A stream of reports. */
export interface ReportStream {
  report(report: Encodable<weir.v1.UsageReport>): Promise<weir.v1.ReportResult>;
  end(): Promise<void>;
  cancel(): void;
}

/** A connection to Weir. Every failure is a WeirError, with the server's code and violations. */
export interface WeirClient {
  decide(intent: Encodable<weir.v1.Intent>, bounds?: CallBounds): Promise<weir.v1.Decision>;
  report(
    report: Encodable<weir.v1.UsageReport>,
    bounds?: CallBounds,
  ): Promise<weir.v1.ReportResult>;
  cancel(decisionId: string, bounds?: CallBounds): Promise<weir.v1.CancelResponse>;
  decideStream(): IntentStream;
  reportStream(): ReportStream;
  close(): void;
}

/** Opens a client; the connection itself is made at the first call. */
export function connect(options: ConnectOptions): WeirClient {
  const client = new Client(options.address, credentials.createInsecure(), {
    // A proxy from the environment has no business between a service and its control plane.
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    // One connection for each client, not one per address and process.
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new Metadata();
  if (options.key !== undefined) metadata.set("authorization", `Bearer ${options.key}`);
  const timeoutMs = options.timeoutMs ?? 10_000;
  const call = <Request, Response>(
    method: ClientMethod<Request, Response>,
    oversized: ErrorCode,
    message: Encodable<Request>,
    bounds: CallBounds = {},
  ): Promise<Response> =>
    unary(client, metadata, method, oversized, message, { timeoutMs, ...bounds });
  const stream = <Request, Response extends StreamAnswer>(
    method: ClientMethod<Request, Response>,
    oversized: ErrorCode,
  ): ClientStream<Request, Response> =>
    openClientStream(
      client.makeBidiStreamRequest(method.path, method.serialize, method.deserialize, metadata),
      oversized,
    );
  return {
    decide: async (intent, bounds) =>
      present((await call(CLIENT_METHODS.decide, "intent.invalid", { intent }, bounds)).decision),
    report: async (report, bounds) =>
      present((await call(CLIENT_METHODS.report, "report.invalid", { report }, bounds)).result),
    cancel: (decisionId, bounds) =>
      call(CLIENT_METHODS.cancel, "report.invalid", { decisionId }, bounds),
    decideStream: () => {
      const { send, end, cancel } = stream(CLIENT_METHODS.decideStream, "intent.invalid");
      const decide = async (intent: Encodable<weir.v1.Intent>): Promise<weir.v1.Decision> =>
        present((await send((tag) => ({ tag, intent }))).decision);
      return { decide, end, cancel };
    },
    reportStream: () => {
      const { send, end, cancel } = stream(CLIENT_METHODS.reportStream, "report.invalid");
      const report = async (
        message: Encodable<weir.v1.UsageReport>,
      ): Promise<weir.v1.ReportResult> =>
        present((await send((tag) => ({ tag, report: message }))).result);
      return { report, end, cancel };
    },
    close: () => client.close(),
  };
}

function unary<Request, Response>(
  client: Client,
  metadata: Metadata,
  method: ClientMethod<Request, Response>,
  oversized: ErrorCode,
  message: Encodable<Request>,
  bounds: CallBounds & { readonly timeoutMs: number },
): Promise<Response> {
  const options: CallOptions = { deadline: Date.now() + bounds.timeoutMs };
  const { signal } = bounds;
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      method.path,
      method.serialize,
      method.deserialize,
      message,
      metadata,
      options,
      (error: ServiceError | null, response?: Response) => {
        signal?.removeEventListener("abort", cancel);
        if (error === null && response !== undefined) resolve(response);
        else reject(fromStatus(error as ServiceError, oversized));
      },
    );
    const cancel = (): void => call.cancel();
    if (signal?.aborted) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
  });
}

function present<T>(part: T | null): T {
  if (part === null) throw new WeirError("internal", "the server's answer is empty");
  return part;
}
