import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";

import { decoderOf, encoderOf, type Malformed } from "../../adapters/envoy/codec.ts";
import { EXTERNAL_PROCESSOR_METHODS } from "../../adapters/envoy/definition.ts";
import { type Encodable, envoy } from "../../proto/gen/envoy.js";
import { SEARCH } from "./envoy.ts";

// Speaks external processing with Weir as Envoy does, without an Envoy.

export type Incoming = Encodable<envoy.service.ext_proc.v3.ProcessingRequest>;
export type Answer = envoy.service.ext_proc.v3.ProcessingResponse;

const encode = encoderOf(envoy.service.ext_proc.v3.ProcessingRequest);
const decode = decoderOf(envoy.service.ext_proc.v3.ProcessingResponse);

/** A connection to Weir's port for Envoy. */
export class ProcessingClient {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  open(): ProcessingStream {
    const metadata = new Metadata();
    metadata.set("weir.provider", "openai");
    const { path } = EXTERNAL_PROCESSOR_METHODS.Process;
    const options = { deadline: Date.now() + 120_000 };
    return new ProcessingStream(
      this.#client.makeBidiStreamRequest(path, encode, decode, metadata, options),
    );
  }

  close(): void {
    this.#client.close();
  }
}

/** One call; each message that is asked waits for its answer. */
export class ProcessingStream {
  readonly #call: ClientDuplexStream<Incoming, Answer | Malformed>;
  readonly #waiting: PromiseWithResolvers<Answer>[] = [];
  /** The gRPC code it ended with. */
  readonly ended: Promise<number>;

  constructor(call: ClientDuplexStream<Incoming, Answer | Malformed>) {
    this.#call = call;
    call.on("data", (answer: Answer) => this.#waiting.shift()?.resolve(answer));
    call.on("error", () => {});
    this.ended = new Promise((resolve) => {
      call.on("status", ({ code, details }) => {
        const error = new Error(`the stream ended with ${code}: ${details}`);
        for (const { reject } of this.#waiting.splice(0)) reject(error);
        resolve(code);
      });
    });
  }

  ask(message: Incoming): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.push(answer);
    this.#call.write(message);
    return answer.promise;
  }

  say(message: Incoming): void {
    this.#call.write(message);
  }

  end(): Promise<number> {
    this.#call.end();
    return this.ended;
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Sends a request that is allowed; its decision. */
  async admit(key: string, body: object): Promise<string> {
    await this.ask(requestHeaders(key));
    const answer = await this.ask(requestBody(body));
    const weir = answer.dynamicMetadata?.fields["weir"]?.structValue?.fields;
    return weir?.["decision_id"]?.stringValue ?? "";
  }
}

let ids = 0;

export function requestHeaders(key: string): Incoming {
  ids += 1;
  const headers = {
    ":authority": "gateway",
    ":method": "POST",
    ":path": "/openai/v1/chat/completions",
    authorization: `Bearer ${key}`,
    "x-request-id": `r${ids}`,
    ...SEARCH,
  };
  return { requestHeaders: { headers: headersOf(headers) } };
}

export function requestBody(body: object): Incoming {
  return { requestBody: { body: Buffer.from(JSON.stringify(body)), endOfStream: true } };
}

export function responseHeaders(kind: string, code = "200"): Incoming {
  return { responseHeaders: { headers: headersOf({ ":status": code, "content-type": kind }) } };
}

export function responseBody(text: string | Uint8Array, endOfStream: boolean): Incoming {
  return { responseBody: { body: Buffer.from(text), endOfStream } };
}

function headersOf(headers: Readonly<Record<string, string>>) {
  const entries = Object.entries(headers);
  return { headers: entries.map(([key, value]) => ({ key, rawValue: Buffer.from(value) })) };
}
