import type { ServerDuplexStream } from "@grpc/grpc-js";
import { WeirError, type ErrorCode } from "../../engine/errors.ts";
import type { Caller } from "../../engine/weir.ts";
import type { Encodable, Int64, weir } from "../../proto/gen/weir.js";
import { DecodeFailure, type Outgoing } from "../../proto/codec.ts";
import type { Gate, Stoppable } from "./gate.ts";
import { toStatus, toStreamError } from "./status.ts";

/** One message's way through a stream. */
export interface StreamWork<Request, Result, Response> {
  /** Messages of one stream that may be in flight, answers not yet taken by the client included. */
  readonly inFlightMax: number;
  /** Code of a message that cannot be decoded. */
  readonly malformed: ErrorCode;
  /** Asked at the start and for every message, so that a revoked key ends the stream. */
  caller(): Caller;
  run(request: Request, caller: Caller): Promise<Result>;
  answer(tag: Int64, result: Result): Encodable<Response>;
  refusal(tag: Int64, error: Encodable<weir.v1.StreamError>): Encodable<Response>;
  /** The answer could not be sent. */
  lost(result: Result): void;
  /** Told of every error that is answered, before it is. */
  onError(thrown: unknown): void;
}

/** A result on its way to the client. */
interface Answer<Result> {
  readonly result: Result;
  readonly outgoing: { readonly sent: boolean };
}

type Call<Request, Response> = ServerDuplexStream<Request | DecodeFailure, Outgoing<Response>>;

/**
 * One open bidirectional stream: reading pauses at the bound, an error of one message is answered
 * and the stream lives on, and it ends when the client has half-closed (or it was told to stop) and
 * everything in flight is answered.
 */
export class BoundedStream<
  Request extends { readonly tag: Int64 },
  Result,
  Response,
> implements Stoppable {
  private readonly call: Call<Request, Response>;
  private readonly work: StreamWork<Request, Result, Response>;
  private readonly gate: Gate;
  private readonly unsent = new Set<Answer<Result>>();
  private inFlight = 0;
  private halfClosed = false;
  private gone = false;
  private finished = false;
  private stopped: WeirError | undefined;

  constructor(
    call: Call<Request, Response>,
    work: StreamWork<Request, Result, Response>,
    gate: Gate,
  ) {
    this.call = call;
    this.work = work;
    this.gate = gate;
  }

  /** Serves the stream; a caller that is not let in gets the error as the stream's status. */
  serve(): void {
    try {
      this.work.caller();
      this.gate.open(this);
    } catch (thrown) {
      this.call.emit("error", toStatus(thrown));
      return;
    }
    this.call.on("cancelled", () => this.leave());
    this.call.on("data", (message: Request | DecodeFailure) => this.take(message));
    this.call.on("end", () => {
      this.halfClosed = true;
      this.finishWhenAnswered();
    });
  }

  /** Takes nothing more, answers what is in flight, then ends with `reason`. */
  stop(reason: WeirError): void {
    if (this.stopped !== undefined) return;
    this.stopped = reason;
    this.call.pause();
    this.finishWhenAnswered();
  }

  private take(message: Request | DecodeFailure): void {
    this.inFlight += 1;
    if (this.inFlight >= this.work.inFlightMax) this.call.pause();
    let caller: Caller;
    try {
      caller = this.work.caller();
    } catch (thrown) {
      this.inFlight -= 1;
      this.stop(WeirError.from(thrown));
      return;
    }
    void this.process(message, caller);
  }

  private async process(message: Request | DecodeFailure, caller: Caller): Promise<void> {
    try {
      if (message instanceof DecodeFailure) throw malformed(this.work.malformed, message);
      if (this.stopped !== undefined) throw this.stopped;
      this.gate.enter();
      let result: Result;
      try {
        result = await this.work.run(message, caller);
      } finally {
        this.gate.leave();
      }
      this.deliver(message.tag, result);
    } catch (thrown) {
      this.work.onError(thrown);
      const error = toStreamError(thrown);
      this.write({ message: this.work.refusal(message.tag, error), sent: false }, undefined);
    }
  }

  private deliver(tag: Int64, result: Result): void {
    if (this.gone) {
      this.work.lost(result);
      return;
    }
    let outgoing: Outgoing<Response>;
    try {
      outgoing = { message: this.work.answer(tag, result), sent: false };
    } catch (thrown) {
      this.work.lost(result);
      throw thrown;
    }
    const answer = { result, outgoing };
    this.unsent.add(answer);
    this.write(outgoing, answer);
  }

  private write(outgoing: Outgoing<Response>, answer: Answer<Result> | undefined): void {
    if (this.gone) return;
    this.call.write(outgoing, () => {
      if (answer !== undefined && outgoing.sent) this.unsent.delete(answer);
      this.inFlight -= 1;
      if (this.gone) return;
      if (this.stopped === undefined && this.call.isPaused()) this.call.resume();
      this.finishWhenAnswered();
    });
  }

  private finishWhenAnswered(): void {
    if (this.finished || this.inFlight > 0) return;
    if (this.stopped !== undefined) this.call.emit("error", toStatus(this.stopped));
    else if (this.halfClosed) this.call.end();
    else return;
    this.finished = true;
  }

  /** The call is over, by its end or because the client left: answers still here reach nobody. */
  private leave(): void {
    this.gone = true;
    for (const answer of this.unsent) if (!answer.outgoing.sent) this.work.lost(answer.result);
    this.unsent.clear();
    this.gate.end(this);
  }
}

/** The error of a message that could not be decoded. */
export function malformed(code: ErrorCode, failure: DecodeFailure): WeirError {
  return new WeirError(code, `the message is not a valid protobuf: ${failure.reason}`);
}
