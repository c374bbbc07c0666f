import { Client, credentials, type ServiceError } from "@grpc/grpc-js";

import {
  decoderOf,
  encoderOf,
  fromStruct,
  type JsonObject,
  Malformed,
} from "../../adapters/envoy/codec.ts";
import { type Encodable, envoy } from "../../proto/gen/envoy.js";

// Speaks to Weir as Envoy does, without an Envoy.

type CheckRequest = envoy.service.auth.v3.CheckRequest;

const encodeCheck = encoderOf(envoy.service.auth.v3.CheckRequest);
const decodeCheck = decoderOf(envoy.service.auth.v3.CheckResponse);
const encodeLog = encoderOf(envoy.service.accesslog.v3.StreamAccessLogsMessage);

/** A CheckRequest, as much of it as a test cares for. */
export interface CheckCall {
  readonly id?: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers as bytes, in the other form that Envoy has. */
  readonly rawHeaders?: readonly (readonly [string, string | Uint8Array])[];
  readonly body?: string | Uint8Array | object;
  /** In the string field instead of the bytes. */
  readonly textBody?: string;
  readonly principal?: string;
  readonly metadata?: Encodable<envoy.config.core.v3.Metadata>;
  readonly route?: Readonly<Record<string, string>>;
}

/** Weir's answer, flat. */
export interface CheckAnswer {
  /** gRPC code in the answer; 0 lets the call pass. */
  readonly code: number;
  /** HTTP status of a denial; 0 for none. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** How each header is set: 2 overwrites the client's copy. */
  readonly appendActions: readonly number[];
  readonly removed: readonly string[];
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly body: string;
  readonly metadata: JsonObject;
}

let ids = 0;

export function checkRequest(call: CheckCall): Encodable<CheckRequest> {
  const { body, headers = {}, rawHeaders, textBody } = call;
  ids += 1;
  const bytes =
    typeof body === "object" && !(body instanceof Uint8Array) ? JSON.stringify(body) : (body ?? "");
  const raw = (rawHeaders ?? []).map(([key, value]) => ({ key, rawValue: Buffer.from(value) }));
  return {
    attributes: {
      contextExtensions: call.route ?? { "weir.provider": "openai" },
      metadataContext: call.metadata,
      request: {
        http: {
          body: textBody,
          headerMap: rawHeaders === undefined ? undefined : { headers: raw },
          headers,
          host: call.host ?? "gateway",
          id: call.id ?? String(9_000_000 + ids),
          method: call.method ?? "POST",
          path: call.path ?? "/openai/v1/chat/completions",
          rawBody: textBody === undefined ? Buffer.from(bytes) : undefined,
        },
      },
      source: { principal: call.principal ?? "" },
    },
  };
}

/** A connection to Weir's port for Envoy. */
export class CheckClient {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.max_send_message_length": 64 * 1024 * 1024,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  check(call: CheckCall): Promise<CheckAnswer> {
    return this.checkBytes(encodeCheck(checkRequest(call)));
  }

  /** Resolves to the gRPC error where the call itself failed. */
  checkBytes(bytes: Uint8Array, timeoutMs = 60_000): Promise<CheckAnswer> {
    const same = (value: Buffer): Buffer => value;
    const options = { deadline: Date.now() + timeoutMs };
    const path = "/envoy.service.auth.v3.Authorization/Check";
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        same,
        same,
        Buffer.from(bytes),
        options,
        (error, answer) => {
          if (error !== null) reject(error);
          else resolve(flat(answer ?? Buffer.alloc(0)));
        },
      );
    });
  }

  /** Sends these entries on a stream of their own and waits until the server has taken them. */
  log(...entries: readonly Encodable<envoy.data.accesslog.v3.HTTPAccessLogEntry>[]): Promise<void> {
    return this.logBytes(encodeLog({ httpLogs: { logEntry: entries } }));
  }

  logBytes(bytes: Uint8Array): Promise<void> {
    const same = (value: Buffer): Buffer => value;
    const path = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + 60_000 };
      const done = (error: ServiceError | null): void =>
        error === null ? resolve() : reject(error);
      const stream = this.#client.makeClientStreamRequest(path, same, same, options, done);
      stream.write(Buffer.from(bytes));
      stream.end();
    });
  }

  close(): void {
    this.#client.close();
  }
}

function flat(bytes: Buffer): CheckAnswer {
  const answer = decodeCheck(bytes);
  if (answer instanceof Malformed) throw new Error(answer.reason);
  const { deniedResponse, okResponse } = answer;
  const set = deniedResponse?.headers ?? okResponse?.headers ?? [];
  return {
    appendActions: set.map(({ appendAction }) => appendAction),
    body: deniedResponse?.body ?? "",
    code: answer.status?.code ?? 0,
    headers: plain(set),
    metadata: fromStruct(answer.dynamicMetadata),
    removed: okResponse?.headersToRemove ?? [],
    responseHeaders: plain(okResponse?.responseHeadersToAdd ?? []),
    status: deniedResponse?.status?.code ?? 0,
  };
}

function plain(options: readonly envoy.config.core.v3.HeaderValueOption[]) {
  return Object.fromEntries(options.map(({ header }) => [header?.key ?? "", header?.value ?? ""]));
}
