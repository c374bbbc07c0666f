import {
  type handleClientStreamingCall,
  type ServerReadableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { envoy } from "../../proto/gen/envoy.js";
import type { Entrance } from "./authorization.ts";
import { fromStruct, type JsonObject, Malformed, textIn } from "./codec.ts";
import type { SettlementResult, Settler } from "./settler.ts";
import type { Tickets } from "./ticket.ts";
import { type CallEnd, readingOf, settlementOf } from "./to-report.ts";

type Message = envoy.service.accesslog.v3.StreamAccessLogsMessage;
/** The answer at the end of a stream says nothing. */
type Response = Readonly<Record<string, never>>;
type Entry = envoy.data.accesslog.v3.HTTPAccessLogEntry;
type Flags = envoy.data.accesslog.v3.ResponseFlags;

/** A server's gate for streams, which are told when it closes. */
export interface StreamEntrance extends Entrance {
  open(stream: { stop(): void }): void;
  end(stream: { stop(): void }): void;
}

/** What the access log service works with. */
export interface AccessLogOptions {
  readonly settler: Settler;
  readonly tickets: Tickets;
  readonly entrance: StreamEntrance;
  readonly onSettlement: (result: SettlementResult) => void;
}

/** The handlers of Envoy's access log service: what calls really used. */
export function accessLogService(options: AccessLogOptions): UntypedServiceImplementation {
  const stream: handleClientStreamingCall<Message | Malformed, Response> = (call, callback) =>
    new LogStream(call, callback, options).serve();
  return { StreamAccessLogs: stream };
}

/** Envoy of our profile sends a batch every 200 ms where there is anything to tell. */
const LAST_BATCH_MS = 500;

/** One open stream of entries; it lives until Envoy leaves or the server closes. */
class LogStream {
  readonly #call: ServerReadableStream<Message | Malformed, Response>;
  readonly #callback: sendUnaryData<Response>;
  readonly #options: AccessLogOptions;
  readonly #pending = new Set<Promise<void>>();
  #stops = false;
  #finished = false;

  constructor(
    call: ServerReadableStream<Message | Malformed, Response>,
    callback: sendUnaryData<Response>,
    options: AccessLogOptions,
  ) {
    this.#call = call;
    this.#callback = callback;
    this.#options = options;
  }

  serve(): void {
    const { entrance } = this.#options;
    try {
      entrance.open(this);
    } catch (thrown) {
      this.#callback({ code: status.UNAVAILABLE, details: (thrown as Error).message });
      return;
    }
    this.#call.on("data", (message: Message | Malformed) => this.#take(message));
    this.#call.on("end", () => this.#finish());
    this.#call.on("error", () => this.#finish());
    this.#call.on("cancelled", () => this.#finish());
  }

  /**
   * Ends with the next entries, for what Envoy sends while a stream ends is lost, and it sends in batches:
   * right after one the next is furthest away. Envoy opens another stream for what follows.
   */
  stop(): void {
    this.#stops = true;
    setTimeout(() => this.#leave(), LAST_BATCH_MS).unref();
  }

  /** Ends, then settles what has come. */
  #leave(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#callback(null, {});
    void Promise.allSettled(this.#pending).then(() => this.#options.entrance.end(this));
  }

  /** Settles what has come, then ends. */
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    void Promise.allSettled(this.#pending).then(() => {
      this.#callback(null, {});
      this.#options.entrance.end(this);
    });
  }

  #take(message: Message | Malformed): void {
    if (message instanceof Malformed) {
      this.#options.onSettlement("refused");
      return;
    }
    for (const entry of message.httpLogs?.logEntry ?? []) {
      const settled = settleEntry(entry, this.#options).catch((): SettlementResult => "lost");
      const work = settled.then((result) => {
        this.#pending.delete(work);
        if (result !== null) this.#options.onSettlement(result);
      });
      this.#pending.add(work);
    }
    if (this.#stops) this.#leave();
  }
}

/** DownstreamEnd, and what an Envoy without types of entries says. */
const FINAL_TYPES: ReadonlySet<number> = new Set([0, 6]);

async function settleEntry(
  entry: Entry,
  { settler, tickets }: AccessLogOptions,
): Promise<SettlementResult | null> {
  const common = entry.commonProperties;
  if (common === null || !FINAL_TYPES.has(common.accessLogType)) return null;
  const metadata = common.metadata?.filterMetadata ?? {};
  const told = fromStruct(metadata["envoy.filters.http.ext_authz"]);
  const sealed = textIn(told, "ticket");
  if (sealed === "") {
    const isUndecided = textIn(told, "effect") === "" && common.upstreamCluster !== "";
    return isUndecided ? "undecided" : "unmatched";
  }
  const ticket = tickets.open(sealed);
  if (ticket === null) return "forged";
  const seen = fromStruct(metadata["weir"]);
  const reading = readingOf(ticket.format, fragmentsOf(seen));
  return settler.settle(ticket, settlementOf(ticket, reading, endOf(entry, seen)));
}

/** The first and the last fragment with figures: some providers tell the input first, the output last. */
function fragmentsOf(seen: JsonObject): readonly string[] {
  return ["usage_first", "usage_last"]
    .map((name) => textIn(seen, name))
    .filter((one) => one !== "");
}

function endOf({ commonProperties, response }: Entry, seen: JsonObject): CallEnd {
  const flags = commonProperties?.responseFlags ?? null;
  const events = seen["events"];
  return {
    bodyBytes: Number(response?.responseBodyBytes ?? 0),
    cut: cutOf(flags),
    outputTokens: null,
    events: typeof events === "number" && events > 0 ? Math.floor(events) : 0,
    reached: wasReached(commonProperties, flags),
    status: response?.responseCode?.value ?? 0,
  };
}

function cutOf(flags: Flags | null): CallEnd["cut"] {
  if (flags === null) return "";
  if (flags.downstreamConnectionTermination || flags.downstreamRemoteReset) return "client";
  const isCut =
    flags.upstreamRemoteReset ||
    flags.upstreamConnectionTermination ||
    flags.upstreamRequestTimeout ||
    flags.upstreamProtocolError ||
    flags.upstreamMaxStreamDurationReached ||
    flags.streamIdleTimeout ||
    flags.durationTimeout ||
    flags.localReset;
  return isCut ? "provider" : "";
}

/** An attempt that did not even connect used nothing; of several, an earlier one may have. */
function wasReached(common: Entry["commonProperties"], flags: Flags | null): boolean {
  if (common?.upstreamRemoteAddress === null) return false;
  if ((common?.upstreamRequestAttemptCount ?? 0) > 1) return true;
  return !(flags?.upstreamConnectionFailure || flags?.upstreamOverflow);
}
