import type { Metadata, ServerUnaryCall, handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { ErrorCode } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";
import type { Encodable } from "../../proto/gen/weir.js";
import { keyOf, type Authenticator } from "./authenticate.ts";
import { DecodeFailure, type Outgoing } from "../../proto/codec.ts";
import type { Gate } from "./gate.ts";
import { toStatus } from "./status.ts";
import { malformed } from "./stream.ts";

/** What every handler works with. */
export interface Serving {
  readonly authenticator: Authenticator;
  readonly gate: Gate;
  /** Peer of every call where the address does not tell it (a local socket). */
  readonly peer: string | undefined;
  /** Told of every error that is answered, before it is. */
  readonly onError: (thrown: unknown) => void;
}

/** How one unary method runs and answers. */
export interface UnaryWork<Request, Result, Response> {
  readonly malformed: ErrorCode;
  run(request: Request, caller: Caller): Promise<Result>;
  answer(result: Result): Encodable<Response>;
  /** The answer could not be sent. */
  lost(result: Result): void;
}

interface AnyCall {
  readonly metadata: Metadata;
  getPeer(): string;
}

/** The handler of one unary method. */
export function unary<Request, Result, Response>(
  options: Serving,
  work: UnaryWork<Request, Result, Response>,
): handleUnaryCall<Request | DecodeFailure, Outgoing<Response>> {
  const { gate } = options;
  const serve = async (
    call: ServerUnaryCall<Request | DecodeFailure, Outgoing<Response>>,
    callback: sendUnaryData<Outgoing<Response>>,
  ): Promise<void> => {
    let result: Result | undefined;
    let outgoing: Outgoing<Response>;
    try {
      const caller = callerOf(call, options);
      const { request } = call;
      if (request instanceof DecodeFailure) throw malformed(work.malformed, request);
      gate.enter();
      try {
        result = await work.run(request, caller);
      } finally {
        gate.leave();
      }
      outgoing = { message: work.answer(result), sent: false };
    } catch (thrown) {
      if (result !== undefined) work.lost(result);
      options.onError(thrown);
      callback(toStatus(thrown));
      return;
    }
    // Encoding happens inside, at once, and only if the call can still be answered.
    callback(null, outgoing);
    if (!outgoing.sent) work.lost(result);
  };
  return (call, callback) => void serve(call, callback);
}

/** Who sent a call. */
export function callerOf(call: AnyCall, options: Serving): Caller {
  return options.authenticator.authenticate(keyOf(call.metadata), options.peer ?? call.getPeer());
}
