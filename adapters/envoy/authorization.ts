import { type handleUnaryCall, status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { type Encodable, envoy } from "../../proto/gen/envoy.js";
import { fromStruct, Malformed, objectIn, toStruct } from "./codec.ts";
import type { Admission } from "./from-decision.ts";
import type { Gateway } from "./gateway.ts";
import { readHeaders, setHeaders } from "./headers.ts";
import type { Evidence } from "./identity.ts";
import { grpcCodeOf } from "./status.ts";
import type { GatewayRequest } from "./to-intent.ts";

const { CheckRequest } = envoy.service.auth.v3;
type CheckRequest = InstanceType<typeof CheckRequest>;
type CheckResponse = envoy.service.auth.v3.CheckResponse;

/** Lets calls in and counts them, as long as the server takes any. */
export interface Entrance {
  /** Throws WeirError `server.draining` or `server.overloaded`. */
  enter(): void;
  leave(): void;
}

/** The handlers of Envoy's external authorization. */
export function authorizationService(
  gateway: Gateway,
  jwtKey: string,
  entrance: Entrance,
): UntypedServiceImplementation {
  const check: handleUnaryCall<CheckRequest | Malformed, Encodable<CheckResponse>> = (
    call,
    callback,
  ) => {
    void answer(call.request).then(
      (admission) => {
        if (call.cancelled) gateway.undelivered(admission);
        else callback(null, fromAdmission(admission));
      },
      (error: Error) => callback({ code: codeOf(error), details: error.message }),
    );
  };
  const answer = async (message: CheckRequest | Malformed): Promise<Admission> => {
    if (message instanceof Malformed) throw new Error(`not a CheckRequest: ${message.reason}`);
    entrance.enter();
    try {
      const { request, evidence } = toRequest(message, jwtKey);
      return await gateway.judge(request, evidence);
    } finally {
      entrance.leave();
    }
  };
  return { Check: check };
}

/** A replica that takes nothing now says so in the word on which Envoy asks another. */
function codeOf(error: Error): status {
  return error.name === "WeirError" ? status.UNAVAILABLE : status.INVALID_ARGUMENT;
}

/** A CheckRequest as a request; Envoy's own attributes are believed, headers are not. */
function toRequest(
  message: CheckRequest,
  jwtKey: string,
): { readonly request: GatewayRequest; readonly evidence: Evidence } {
  const { attributes } = message;
  const http = attributes?.request?.http;
  const headers = readHeaders(http?.headers ?? {}, http?.headerMap ?? null);
  const verified = fromStruct(
    attributes?.metadataContext?.filterMetadata["envoy.filters.http.jwt_authn"],
  );
  const body = http === null || http === undefined ? EMPTY : bodyOf(http);
  return {
    evidence: {
      certificate: attributes?.source?.principal ?? "",
      claims: objectIn(verified, jwtKey),
      headers,
    },
    request: {
      body,
      headers,
      host: http?.host ?? "",
      id: http?.id ?? "",
      method: http?.method ?? "",
      path: http?.path ?? "",
      route: attributes?.contextExtensions ?? {},
    },
  };
}

const EMPTY = new Uint8Array(0);

function bodyOf(http: { readonly body: string; readonly rawBody: Uint8Array }): Uint8Array {
  return http.rawBody.length > 0 ? http.rawBody : Buffer.from(http.body);
}

/** An admission as Envoy's external authorization takes it. */
function fromAdmission(admission: Admission): Encodable<CheckResponse> {
  const dynamicMetadata = toStruct(admission.metadata);
  if (admission.kind === "refused") {
    const { body, headers, status } = admission.answer;
    return {
      deniedResponse: { body, headers: setHeaders(headers), status: { code: status } },
      dynamicMetadata,
      status: { code: grpcCodeOf(status) },
    };
  }
  return {
    dynamicMetadata,
    okResponse: {
      headers: setHeaders(admission.requestHeaders),
      headersToRemove: admission.removedHeaders,
      responseHeadersToAdd: setHeaders(admission.responseHeaders),
    },
    status: { code: 0 },
  };
}
