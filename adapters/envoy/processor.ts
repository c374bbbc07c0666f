import {
  type handleBidiStreamingCall,
  type Metadata,
  type ServerDuplexStream,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { applyPatches } from "../../engine/provider/json-edit.ts";
import { type Encodable, envoy } from "../../proto/gen/envoy.js";
import type { StreamEntrance } from "./access-log.ts";
import { fromStruct, type JsonObject, Malformed, objectIn, textIn, toStruct } from "./codec.ts";
import type { Admission, Admitted, Refused } from "./from-decision.ts";
import type { Gateway } from "./gateway.ts";
import { first, type Headers, readHeaders, setHeaders } from "./headers.ts";
import type { Evidence } from "./identity.ts";
import { ProcessedCall } from "./processed-call.ts";
import type { SettlementResult, Settler } from "./settler.ts";
import type { Ticket } from "./ticket.ts";
import type { GatewayRequest } from "./to-intent.ts";

type Incoming = envoy.service.ext_proc.v3.ProcessingRequest;
type Outgoing = Encodable<envoy.service.ext_proc.v3.ProcessingResponse>;
type Call = ServerDuplexStream<Incoming | Malformed, Outgoing>;

const { ProcessingMode } = envoy.extensions.filters.http.ext_proc.v3;

/** What the external processor works with. */
export interface ProcessorOptions {
  readonly gateway: Gateway;
  readonly settler: Settler;
  readonly jwtKey: string;
  readonly entrance: StreamEntrance;
  readonly onSettlement: (result: SettlementResult) => void;
}

/** The handlers of Envoy's external processing: a call from its first byte to its last on one stream. */
export function processorService(options: ProcessorOptions): UntypedServiceImplementation {
  const process: handleBidiStreamingCall<Incoming | Malformed, Outgoing> = (call) =>
    new Processing(call, options).serve();
  return { Process: process };
}

/** A message in an order that Envoy has none for. */
class OutOfOrder extends Error {}

/** One call. Messages are answered one after the other, in the order in which they came. */
class Processing {
  readonly #call: Call;
  readonly #options: ProcessorOptions;
  #queue: Promise<void> = Promise.resolve();
  #headers: Headers | null = null;
  #verified: JsonObject = {};
  #certificate = "";
  #admission: Admission | null = null;
  #answer: ProcessedCall | null = null;
  #ticket: Ticket | null = null;
  #settling: Promise<void> = Promise.resolve();
  #over = false;

  constructor(call: Call, options: ProcessorOptions) {
    this.#call = call;
    this.#options = options;
  }

  serve(): void {
    const { entrance } = this.#options;
    try {
      entrance.open(this);
    } catch (thrown) {
      this.#call.emit("error", { code: status.UNAVAILABLE, details: (thrown as Error).message });
      return;
    }
    this.#call.on("data", (message: Incoming | Malformed) => this.#next(() => this.#take(message)));
    this.#call.on("end", () => this.#next(() => Promise.resolve(this.#finish())));
    this.#call.on("cancelled", () => this.#next(() => Promise.resolve(this.#finish())));
    this.#call.on("error", () => this.#next(() => Promise.resolve(this.#finish())));
  }

  /** A server that closes lets a call that it has taken be decided and end in its own time. */
  stop(): void {}

  #next(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).catch((thrown: unknown) => {
      const details = thrown instanceof OutOfOrder ? thrown.message : "internal error";
      if (!this.#over) this.#call.emit("error", { code: status.INVALID_ARGUMENT, details });
      this.#finish();
    });
  }

  async #take(message: Incoming | Malformed): Promise<void> {
    if (this.#over) return;
    if (message instanceof Malformed)
      throw new OutOfOrder(`not a ProcessingRequest: ${message.reason}`);
    const { requestBody, requestHeaders, responseBody, responseHeaders } = message;
    if (requestHeaders) await this.#takeRequestHeaders(message, requestHeaders);
    else if (requestBody) await this.#takeRequestBody(requestBody);
    else if (responseHeaders) this.#takeResponseHeaders(responseHeaders);
    else if (responseBody) this.#takeResponseBody(responseBody);
    else if (message.requestTrailers) this.#call.write({ requestTrailers: {} });
    else if (message.responseTrailers) this.#call.write({ responseTrailers: {} });
    else throw new OutOfOrder("the message says nothing");
  }

  async #takeRequestHeaders(
    message: Incoming,
    { endOfStream, headers }: envoy.service.ext_proc.v3.HttpHeaders,
  ): Promise<void> {
    if (this.#headers !== null) throw new OutOfOrder("request headers came twice");
    this.#headers = readHeaders({}, headers);
    const untyped = message.metadataContext?.filterMetadata["envoy.filters.http.jwt_authn"];
    this.#verified = fromStruct(untyped);
    this.#certificate = certificateIn(
      fromStruct(message.attributes["envoy.filters.http.ext_proc"]),
    );
    if (!endOfStream) {
      this.#call.write({ requestHeaders: {} });
      return;
    }
    const admission = await this.#judge(EMPTY);
    if (admission.kind === "refused") this.#refuse(admission);
    else
      this.#call.write({
        ...this.#metadataOf(admission),
        requestHeaders: { response: changesOf(admission, null) },
      });
  }

  async #takeRequestBody({ body, endOfStream }: envoy.service.ext_proc.v3.HttpBody): Promise<void> {
    if (this.#headers === null || this.#admission !== null)
      throw new OutOfOrder("a request body out of order");
    if (!endOfStream)
      throw new OutOfOrder("the request body comes in pieces; it has to be buffered");
    const admission = await this.#judge(body);
    if (admission.kind === "refused") this.#refuse(admission);
    else
      this.#call.write({
        ...this.#metadataOf(admission),
        requestBody: { response: changesOf(admission, body) },
      });
  }

  async #judge(body: Uint8Array): Promise<Admission> {
    const headers = this.#headers ?? new Map<string, readonly string[]>();
    const { gateway, jwtKey } = this.#options;
    const request: GatewayRequest = {
      body,
      headers,
      host: first(headers, ":authority"),
      // The profile lets Envoy draw it and takes a client's own away.
      id: first(headers, "x-request-id"),
      method: first(headers, ":method"),
      path: first(headers, ":path"),
      route: routeOf(this.#call.metadata),
    };
    const evidence: Evidence = {
      certificate: this.#certificate,
      claims: objectIn(this.#verified, jwtKey),
      headers,
    };
    const admission = await gateway.judge(request, evidence);
    this.#admission = admission;
    if (this.#call.cancelled) gateway.undelivered(admission);
    else if (admission.kind === "admitted" && admission.ticket !== null) {
      this.#ticket = admission.ticket;
      this.#answer = new ProcessedCall(admission, admission.ticket);
    }
    return admission;
  }

  #refuse({ answer, metadata }: Refused): void {
    this.#call.write({
      dynamicMetadata: toStruct({ weir: metadata }),
      immediateResponse: {
        body: Buffer.from(answer.body),
        details: "weir_refused",
        headers: { setHeaders: setHeaders(answer.headers, "raw") },
        status: { code: answer.status },
      },
    });
  }

  /** For Envoy's own access logs: the decision, not what is patched. */
  #metadataOf({ metadata }: Admitted) {
    const { decision_id = "", effect = "", model = "", tenant = "" } = metadata;
    return { dynamicMetadata: toStruct({ weir: { decision_id, effect, model, tenant } }) };
  }

  #takeResponseHeaders({ endOfStream, headers }: envoy.service.ext_proc.v3.HttpHeaders): void {
    const answer = this.#answer;
    const admission = this.#admission;
    // An answer of Envoy's own, before anything was asked or after a refusal.
    if (answer === null || admission?.kind !== "admitted") {
      this.#call.write({ responseHeaders: {} });
      return;
    }
    const received = readHeaders({}, headers);
    const seesBody = answer.begin(received) && !endOfStream;
    const headerMutation = {
      removeHeaders: seesBody ? ["content-length"] : [],
      setHeaders: setHeaders(admission.responseHeaders, "raw"),
    };
    const mode = seesBody
      ? { modeOverride: { ...KEEP, responseBodyMode: ProcessingMode.BodySendMode.STREAMED } }
      : {};
    this.#call.write({ ...mode, responseHeaders: { response: { headerMutation } } });
    if (!seesBody) this.#settle("");
  }

  #takeResponseBody({ body, endOfStream }: envoy.service.ext_proc.v3.HttpBody): void {
    const other = this.#answer?.take(body, endOfStream) ?? null;
    const response = other === null ? {} : { bodyMutation: mutationOf(other) };
    this.#call.write({ responseBody: { response } });
    if (endOfStream) this.#settle("");
  }

  #settle(cut: "" | "client"): void {
    const settlement = this.#answer?.settle(cut) ?? null;
    if (settlement === null || this.#ticket === null) return;
    const { onSettlement, settler } = this.#options;
    this.#settling = settler.settle(this.#ticket, settlement).then(onSettlement);
  }

  /** Envoy has left: what was not told to the end was cut. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle("client");
    this.#call.end();
    // The server does not close before it is settled.
    void this.#settling.finally(() => this.#options.entrance.end(this));
  }
}

const EMPTY = new Uint8Array(0);
const { SEND, SKIP } = ProcessingMode.HeaderSendMode;
const KEEP = {
  requestBodyMode: ProcessingMode.BodySendMode.BUFFERED,
  requestHeaderMode: SEND,
  requestTrailerMode: SKIP,
  responseHeaderMode: SEND,
  responseTrailerMode: SKIP,
};

/** What the Envoy route says, as the initial metadata of the stream. */
function routeOf(metadata: Metadata): Readonly<Record<string, string>> {
  const entries = Object.entries(metadata.getMap());
  return Object.fromEntries(
    entries
      .filter(([name]) => name.startsWith("weir."))
      .map(([name, value]) => [name, String(value)]),
  );
}

/** The name of the client's certificate, in the order of external authorization. */
function certificateIn(attributes: JsonObject): string {
  const names = ["uri_san_peer", "dns_san_peer", "subject_peer"];
  const found = names.map((name) => textIn(attributes, `connection.${name}_certificate`));
  return found.find((name) => name !== "") ?? "";
}

function changesOf(admitted: Admitted, body: Uint8Array | null) {
  const changed =
    body === null || admitted.patches.length === 0 ? null : applyPatches(body, admitted.patches);
  const length = changed === null ? {} : { "content-length": String(changed.length) };
  return {
    clearRouteCache: true,
    headerMutation: {
      removeHeaders: admitted.removedHeaders,
      setHeaders: setHeaders({ ...admitted.requestHeaders, ...length }, "raw"),
    },
    ...(changed === null ? {} : { bodyMutation: { body: changed } }),
  };
}

function mutationOf(body: Uint8Array) {
  return body.length === 0 ? { clearBody: true } : { body };
}
