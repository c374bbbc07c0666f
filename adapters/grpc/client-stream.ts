import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { WeirError, type ErrorCode } from "../../engine/errors.ts";
import type { Encodable, Int64, weir } from "../../proto/gen/weir.js";
import { fromStatus, fromStreamError } from "./status.ts";

/** The client's end of a stream whose answers carry the tags of their questions. */
export interface ClientStream<Request, Response> {
  /** Sends one message made for a fresh tag; settles with the answer of that tag. */
  readonly send: (message: (tag: number) => Encodable<Request>) => Promise<Response>;
  /** Half-closes; resolves when every answer has come, rejects if the stream failed. */
  readonly end: () => Promise<void>;
  readonly cancel: () => void;
}

/** What every answer on a stream carries. */
export interface StreamAnswer {
  readonly tag: Int64;
  readonly error: weir.v1.StreamError | null;
}

interface Pending<Response> {
  resolve(response: Response): void;
  reject(error: WeirError): void;
}

/** Matches answers to questions by tag; when the stream fails, everything pending fails with it. */
export function openClientStream<Request, Response extends StreamAnswer>(
  call: ClientDuplexStream<Encodable<Request>, Response>,
  oversized: ErrorCode,
): ClientStream<Request, Response> {
  const pending = new Map<Int64, Pending<Response>>();
  let tags = 0;
  let failure: WeirError | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    call.on("data", (answer: Response) => {
      const waiting = pending.get(answer.tag);
      pending.delete(answer.tag);
      if (answer.error === null) waiting?.resolve(answer);
      else waiting?.reject(fromStreamError(answer.error));
    });
    // grpc-js raises the error first, hands out what had come before, and always ends.
    call.on("error", (error: ServiceError) => {
      failure = fromStatus(error, oversized);
    });
    call.on("end", () => {
      if (failure === undefined) resolve();
      else reject(failure);
      failure ??= new WeirError("internal", "the stream has ended");
      for (const waiting of pending.values()) waiting.reject(failure);
      pending.clear();
    });
  });
  // Who does not call end() learns of a failure from the messages.
  ended.catch(() => {});
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        tags += 1;
        pending.set(tags, { resolve, reject });
        call.write(message(tags));
      }),
    end: () => {
      if (failure === undefined) call.end();
      return ended;
    },
    cancel: () => call.cancel(),
  };
}
