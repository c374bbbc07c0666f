import type { MethodDefinition } from "@grpc/grpc-js";
import { weir, type Codec, type Encodable } from "../../proto/gen/weir.js";
import {
  answerEncoder,
  decoder,
  encoder,
  requestDecoder,
  type DecodeFailure,
  type Outgoing,
} from "./codec.ts";

const { v1 } = weir;

/** Full name of the service, as health checks and reflection know it. */
export const SERVICE = "weir.v1.DecisionService";

/** What the server's side of one method takes and gives. */
export type ServerMethod<Request, Response> = MethodDefinition<
  Request | DecodeFailure,
  Outgoing<Response>
>;

/** What the client's side of one method needs. */
export interface ClientMethod<Request, Response> {
  readonly path: string;
  readonly serialize: (message: Encodable<Request>) => Buffer;
  readonly deserialize: (bytes: Buffer) => Response;
}

/** The methods as grpc-js serves them. */
export const SERVER_METHODS = {
  Decide: serverMethod("Decide", v1.DecideRequest, v1.DecideResponse, false),
  DecideStream: serverMethod("DecideStream", v1.DecideStreamRequest, v1.DecideStreamResponse, true),
  Report: serverMethod("Report", v1.ReportRequest, v1.ReportResponse, false),
  ReportStream: serverMethod("ReportStream", v1.ReportStreamRequest, v1.ReportStreamResponse, true),
  Cancel: serverMethod("Cancel", v1.CancelRequest, v1.CancelResponse, false),
};

/** The methods as a client calls them. */
export const CLIENT_METHODS = {
  decide: clientMethod("Decide", v1.DecideRequest, v1.DecideResponse),
  decideStream: clientMethod("DecideStream", v1.DecideStreamRequest, v1.DecideStreamResponse),
  report: clientMethod("Report", v1.ReportRequest, v1.ReportResponse),
  reportStream: clientMethod("ReportStream", v1.ReportStreamRequest, v1.ReportStreamResponse),
  cancel: clientMethod("Cancel", v1.CancelRequest, v1.CancelResponse),
};

function serverMethod<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
  stream: boolean,
): ServerMethod<Request, Response> {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestDeserialize: requestDecoder(request),
    responseSerialize: answerEncoder(response),
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function clientMethod<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): ClientMethod<Request, Response> {
  return {
    path: `/${SERVICE}/${name}`,
    serialize: encoder(request),
    deserialize: decoder(response),
  };
}

function unused(): never {
  throw new Error("the server's definition is not for clients");
}
