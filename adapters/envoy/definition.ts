import type { MethodDefinition } from "@grpc/grpc-js";
import { type Codec, type Encodable, envoy } from "../../proto/gen/envoy.js";
import { decoderOf, encoderOf, type Malformed } from "./codec.ts";

/** Full names of what is served to Envoy. */
export const AUTHORIZATION = "envoy.service.auth.v3.Authorization";
export const ACCESS_LOG = "envoy.service.accesslog.v3.AccessLogService";
export const EXTERNAL_PROCESSOR = "envoy.service.ext_proc.v3.ExternalProcessor";

type Method<Request, Response> = MethodDefinition<Request | Malformed, Encodable<Response>>;

export const AUTHORIZATION_METHODS = {
  Check: methodOf(
    `/${AUTHORIZATION}/Check`,
    envoy.service.auth.v3.CheckRequest,
    envoy.service.auth.v3.CheckResponse,
    { requestStream: false, responseStream: false },
  ),
};

export const ACCESS_LOG_METHODS = {
  StreamAccessLogs: methodOf(
    `/${ACCESS_LOG}/StreamAccessLogs`,
    envoy.service.accesslog.v3.StreamAccessLogsMessage,
    envoy.service.accesslog.v3.StreamAccessLogsResponse,
    { requestStream: true, responseStream: false },
  ),
};

export const EXTERNAL_PROCESSOR_METHODS = {
  Process: methodOf(
    `/${EXTERNAL_PROCESSOR}/Process`,
    envoy.service.ext_proc.v3.ProcessingRequest,
    envoy.service.ext_proc.v3.ProcessingResponse,
    { requestStream: true, responseStream: true },
  ),
};

function methodOf<Request, Response>(
  path: string,
  request: Codec<Request>,
  response: Codec<Response>,
  streams: { readonly requestStream: boolean; readonly responseStream: boolean },
): Method<Request, Response> {
  return {
    path,
    ...streams,
    requestDeserialize: decoderOf(request),
    responseSerialize: encoderOf(response),
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function unused(): never {
  throw new Error("the server's definition is not for clients");
}
