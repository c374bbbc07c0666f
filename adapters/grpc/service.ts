import type { UntypedServiceImplementation, handleBidiStreamingCall } from "@grpc/grpc-js";
import type { Decision } from "../../engine/decision/decision.ts";
import type { ReportResult } from "../../engine/ledger/report.ts";
import type { Weir } from "../../engine/weir.ts";
import type { Int64, weir as proto } from "../../proto/gen/weir.js";
import type { DecodeFailure, Outgoing } from "../../proto/codec.ts";
import { fromDecision } from "./from-decision.ts";
import { fromReportResult } from "./from-report-result.ts";
import { BoundedStream, type StreamWork } from "./stream.ts";
import { toIntent } from "./to-intent.ts";
import { toReport } from "./to-report.ts";
import { callerOf, type Serving, unary } from "./unary.ts";

/** What the handlers work with. */
export interface ServiceOptions extends Serving {
  readonly weir: Weir;
  readonly streamInFlightMax: number;
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

/** A repeated answer holds nothing of its own: its money belongs to the first one. */
function releaseUndelivered(weir: Weir, decision: Decision): void {
  if (!decision.replayed) void weir.undelivered(decision);
}

function nothing(): void {}
