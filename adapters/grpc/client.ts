import type { ErrorCode } from "../../engine/errors.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { type CallBounds, type ConnectOptions, openChannel, present } from "./channel.ts";
import { openClientStream, type ClientStream, type StreamAnswer } from "./client-stream.ts";
import { CLIENT_METHODS, type ClientMethod } from "./definition.ts";

export type { CallBounds, ConnectOptions } from "./channel.ts";

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
  const { client, metadata, call } = openChannel(options);
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
