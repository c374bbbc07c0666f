import { Client, credentials, Metadata, type CallOptions, type ServiceError } from "@grpc/grpc-js";
import { type ErrorCode, WeirError } from "../../engine/errors.ts";
import type { Encodable } from "../../proto/gen/weir.js";
import type { ClientMethod } from "./definition.ts";
import { fromStatus } from "./status.ts";

/** Where to connect and as whom. */
export interface ConnectOptions {
  /** "host:port" or "unix:<path>". */
  readonly address: string;
  readonly key?: string;
  /** Longest a unary call may take unless it says otherwise; 10 seconds by default. */
  readonly timeoutMs?: number;
  /** Largest answer taken, bytes; 4 MiB by default. */
  readonly answerBytesMax?: number;
}

/** Bounds of one call. */
export interface CallBounds {
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** A connection and its unary calls; it is made at the first one. */
export interface Channel {
  readonly client: Client;
  readonly metadata: Metadata;
  /** `oversized` is the code of a message that is refused for its size. */
  readonly call: <Request, Response>(
    method: ClientMethod<Request, Response>,
    oversized: ErrorCode,
    message: Encodable<Request>,
    bounds?: CallBounds,
  ) => Promise<Response>;
}

/** Opens a connection with the caller's key on every call. */
export function openChannel(options: ConnectOptions): Channel {
  const client = new Client(options.address, credentials.createInsecure(), {
    // A proxy from the environment has no business between a service and its control plane.
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    // One connection for each client, not one per address and process.
    "grpc.use_local_subchannel_pool": 1,
    ...(options.answerBytesMax !== undefined && {
      "grpc.max_receive_message_length": options.answerBytesMax,
    }),
  });
  const metadata = new Metadata();
  if (options.key !== undefined) metadata.set("authorization", `Bearer ${options.key}`);
  const timeoutMs = options.timeoutMs ?? 10_000;
  return {
    client,
    metadata,
    call: (method, oversized, message, bounds = {}) =>
      unary(client, metadata, method, oversized, message, { timeoutMs, ...bounds }),
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

/** The part of an answer that is always there. */
export function present<T>(part: T | null): T {
  if (part === null) throw new WeirError("internal", "the server's answer is empty");
  return part;
}
