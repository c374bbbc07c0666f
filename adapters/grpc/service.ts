import type {
  Metadata,
  ServerUnaryCall,
  UntypedServiceImplementation,
  handleBidiStreamingCall,
  handleUnaryCall,
  sendUnaryData,
} from "@grpc/grpc-js";
import type { Decision } from "../../engine/decision/decision.ts";
import type { ErrorCode } from "../../engine/errors.ts";
import type { ReportResult } from "../../engine/ledger/report.ts";
import type { Caller, Weir } from "../../engine/weir.ts";
import type { Encodable, Int64, weir as proto } from "../../proto/gen/weir.js";
import { keyOf, type Authenticator } from "./authenticate.ts";
import { DecodeFailure, type Outgoing } from "./codec.ts";
import { fromDecision } from "./from-decision.ts";
import { fromReportResult } from "./from-report-result.ts";
import type { Gate } from "./gate.ts";
import { toStatus } from "./status.ts";
import { BoundedStream, malformed, type StreamWork } from "./stream.ts";
import { toIntent } from "./to-intent.ts";
import { toReport } from "./to-report.ts";

/** What the handlers work with. */
export interface ServiceOptions {
  readonly weir: Weir;
  readonly authenticator: Authenticator;
  readonly gate: Gate;
  readonly streamInFlightMax: number;
  /** Peer of every call where the address does not tell it (a local socket). */
  readonly peer: string | undefined;
  /** Told of every error that is answered, before it is. */
  readonly onError: (thrown: unknown) => void;
}

/** How one unary method runs and answers. */
interface UnaryWork<Request, Result, Response> {
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

/** The handlers of DecisionService, by method name as in SERVER_METHODS. */
export function decisionService(options: ServiceOptions): UntypedServiceImplementation {
  const { weir } = options;
  return {
    Decide: unary<proto.v1.DecideRequest, Decision, proto.v1.DecideResponse>(options, {
      malformed: "intent.invalid",
      run: (request, caller) => weir.decide(toIntent(request.intent), caller),
      answer: (decision) => ({ decision: fromDecision(decision) }),
      lost: (decision) => releaseUndelivered(weir, decision),
    }),
    Report: unary<proto.v1.ReportRequest, ReportResult, proto.v1.ReportResponse>(options, {
      malformed: "report.invalid",
      run: (request, caller) => weir.report(toReport(request.report), caller),
      answer: (result) => ({ result: fromReportResult(result) }),
      lost: nothing,
    }),
    Cancel: unary<proto.v1.CancelRequest, { released: boolean }, proto.v1.CancelResponse>(options, {
      malformed: "report.invalid",
      run: (request, caller) => weir.cancel(request.decisionId, caller),
      answer: (result) => result,
      lost: nothing,
    }),
    DecideStream: stream<proto.v1.DecideStreamRequest, Decision, proto.v1.DecideStreamResponse>(
      options,
      {
        malformed: "intent.invalid",
        run: (request, caller) => weir.decide(toIntent(request.intent), caller),
        answer: (tag, decision) => ({ tag, decision: fromDecision(decision) }),
        refusal: (tag, error) => ({ tag, error }),
        lost: (decision) => releaseUndelivered(weir, decision),
      },
    ),
    ReportStream: stream<proto.v1.ReportStreamRequest, ReportResult, proto.v1.ReportStreamResponse>(
      options,
      {
        malformed: "report.invalid",
        run: (request, caller) => weir.report(toReport(request.report), caller),
        answer: (tag, result) => ({ tag, result: fromReportResult(result) }),
        refusal: (tag, error) => ({ tag, error }),
        lost: nothing,
      },
    ),
  };
}

function unary<Request, Result, Response>(
  options: ServiceOptions,
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

function stream<Request extends { readonly tag: Int64 }, Result, Response>(
  options: ServiceOptions,
  work: Omit<StreamWork<Request, Result, Response>, "inFlightMax" | "caller" | "onError">,
): handleBidiStreamingCall<Request | DecodeFailure, Outgoing<Response>> {
  return (call) => {
    const bounded = {
      ...work,
      inFlightMax: options.streamInFlightMax,
      caller: () => callerOf(call, options),
      onError: options.onError,
    };
    new BoundedStream<Request, Result, Response>(call, bounded, options.gate).serve();
  };
}

function callerOf(call: AnyCall, options: ServiceOptions): Caller {
  return options.authenticator.authenticate(keyOf(call.metadata), options.peer ?? call.getPeer());
}

/** A repeated answer holds nothing of its own: its money belongs to the first one. */
function releaseUndelivered(weir: Weir, decision: Decision): void {
  if (!decision.replayed) void weir.undelivered(decision);
}

function nothing(): void {}
