import {
  type Client,
  type ClientDuplexStream,
  type Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { decoder, encoder } from "../../proto/codec.ts";
import { type Codec, type Encodable, type Int64, weir } from "../../proto/gen/weir.js";
import { refusedBy, TransportError } from "./transport.ts";

interface Method<Request, Response> {
  readonly path: string;
  readonly serialize: (message: Encodable<Request>) => Buffer;
  readonly deserialize: (bytes: Buffer) => Response;
}

function method<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): Method<Request, Response> {
  const path = `/weir.v1.DecisionService/${name}`;
  return { path, serialize: encoder(request), deserialize: decoder(response) };
}

const { v1 } = weir;

export const METHODS = {
  decide: method("DecideStream", v1.DecideStreamRequest, v1.DecideStreamResponse),
  report: method("ReportStream", v1.ReportStreamRequest, v1.ReportStreamResponse),
  cancel: method("Cancel", v1.CancelRequest, v1.CancelResponse),
};

interface Answer {
  readonly tag: Int64;
  readonly error: weir.v1.StreamError | null;
}

interface Pending<Response> {
  readonly resolve: (answer: Response) => void;
  readonly reject: (error: TransportError) => void;
}

/** A stream without messages in flight is closed after this long: an open one keeps a process alive. */
const IDLE_MS = 500;

/**
 * Questions and answers on one bidirectional stream, opened when it is needed, again after it broke.
 * An answer is found by its tag; what was in flight when the stream broke fails with it.
 */
export class CallStream<Request, Response extends Answer> {
  readonly #client: Client;
  readonly #metadata: Metadata;
  readonly #method: Method<Request, Response>;
  readonly #pending = new Map<Int64, Pending<Response>>();
  #call: ClientDuplexStream<Encodable<Request>, Response> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #tags = 0;

  constructor(client: Client, metadata: Metadata, method: Method<Request, Response>) {
    this.#client = client;
    this.#metadata = metadata;
    this.#method = method;
  }

  /** Sends the message made for a fresh tag; settles with its answer, or fails after `timeoutMs`. */
  send(message: (tag: number) => Encodable<Request>, timeoutMs: number): Promise<Response> {
    this.#tags += 1;
    const tag = this.#tags;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#forget(tag);
        const late = `no answer within ${Math.round(timeoutMs)} ms`;
        reject(new TransportError("deadline", late, { isTransient: true }));
      }, timeoutMs);
      const settled =
        <Value>(then: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(timer);
          this.#forget(tag);
          then(value);
        };
      this.#pending.set(tag, { resolve: settled(resolve), reject: settled(reject) });
      clearTimeout(this.#idle);
      (this.#call ??= this.#open()).write(message(tag));
    });
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#call?.cancel();
    this.#call = undefined;
  }

  #forget(tag: number): void {
    this.#pending.delete(tag);
    if (this.#pending.size > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#rest(), IDLE_MS);
    // An open stream keeps the process alive for as long as the timer needs.
    (this.#idle as { unref?: () => void }).unref?.();
  }

  /** Half-closes; the server ends the stream when it has answered everything. */
  #rest(): void {
    this.#call?.end();
    this.#call = undefined;
  }

  #open(): ClientDuplexStream<Encodable<Request>, Response> {
    const { deserialize, path, serialize } = this.#method;
    const call = this.#client.makeBidiStreamRequest(path, serialize, deserialize, this.#metadata);
    let failure: ServiceError | undefined;
    call.on("data", (answer: Response) => {
      const waiting = this.#pending.get(answer.tag);
      if (answer.error === null) waiting?.resolve(answer);
      else waiting?.reject(refusedBy(answer.error.reason, answer.error.message));
    });
    call.on("error", (error: ServiceError) => {
      failure = error;
    });
    call.on("end", () => {
      if (this.#call !== call) return;
      this.#call = undefined;
      const error = failureOf(failure);
      for (const waiting of this.#pending.values()) waiting.reject(error);
    });
    return call;
  }
}

/** Codes of a stream that the caller can do something about. */
const FINAL = new Set<number>([
  status.INVALID_ARGUMENT,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.UNIMPLEMENTED,
]);

function failureOf(error: ServiceError | undefined): TransportError {
  if (error === undefined) {
    return new TransportError("unreachable", "the service ended the stream", { isTransient: true });
  }
  const code = error.code === status.UNAUTHENTICATED ? "auth.unauthenticated" : "unreachable";
  return new TransportError(code, error.details || error.message, {
    cause: error,
    isTransient: !FINAL.has(error.code),
  });
}
