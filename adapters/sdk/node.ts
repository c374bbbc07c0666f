import { AsyncLocalStorage } from "node:async_hooks";
import { createSdk, type WeirSdk } from "./client.ts";
import type { CallScope, RunScope } from "./decision.ts";
import { grpcTransport } from "./grpc-transport.ts";
import { httpTransport } from "./http-transport.ts";
import type { ClientOptions } from "./options.ts";
import { type AnyHeaders, randomHex, scopeOfCarrier, stepOfCarrier, within } from "./scope.ts";

export type { WeirSdk } from "./client.ts";
export type * from "./decision.ts";
export {
  WeirBlockedError,
  WeirCallError,
  WeirThrottledError,
  WeirUnavailableError,
} from "./errors.ts";
export type { GuardedCall, GuardedResult } from "./guard.ts";
export type { ClientOptions, RerouteTarget } from "./options.ts";
export { TransportError } from "./transport.ts";
export { callOf, type GovernedCall } from "./weir-fetch.ts";

/** Options of a client in Node. */
export interface NodeOptions extends ClientOptions {
  /** "host:port" or "unix:<path>" for gRPC, or the address of Weir's HTTP as "http://…"; default 127.0.0.1:7350. */
  readonly server?: string;
  /** gRPC over TLS with the system's roots. */
  readonly tls?: boolean;
}

/** A client in Node: scopes also follow the asynchronous flow of the code. */
export interface NodeWeir extends WeirSdk {
  /** Runs `work`; every call it causes has this scope. */
  with<Value>(scope: CallScope, work: () => Value): Value;
  /** Runs `work` as an agent run; inside another run it is one that run started. */
  run<Value>(run: Partial<RunScope>, work: () => Value): Value;
  /** Runs `work` in the run that another process handed over. */
  resume<Value>(headers: AnyHeaders, work: () => Value): Value;
}

/**
 * Opens a client; the connection is made at the first call. Reports are flushed before the process ends by
 * itself; call `close` before `process.exit`.
 */
export function openWeir(options: NodeOptions = {}): NodeWeir {
  const { key, server = "127.0.0.1:7350", tls } = options;
  const transport = /^https?:/.test(server)
    ? httpTransport({ key, server })
    : grpcTransport({ key, server, tls });
  const storage = new AsyncLocalStorage<CallScope>();
  const ambient = (): CallScope => storage.getStore() ?? {};
  const sdk = createSdk(transport, options, ambient);
  const inside = <Value>(scope: CallScope, work: () => Value): Value =>
    storage.run(within(ambient(), scope), work);
  const leave = flushAtExit(sdk);
  return {
    ...sdk,
    with: inside,
    run: (run, work) => inside({ run: startedRun(run, sdk.scope().run) }, work),
    resume: (headers, work) => {
      const carried = scopeOfCarrier(headers);
      sdk.core.continueRun(carried, stepOfCarrier(headers));
      return inside(carried, work);
    },
    close: (timeoutMs) => {
      leave();
      return sdk.close(timeoutMs);
    },
  };
}

/** A run without an id gets one that is a trace id too. */
function startedRun(run: Partial<RunScope>, outer: RunScope | undefined): RunScope {
  const id = run.id ?? randomHex(16);
  if (outer === undefined || outer.id === id) return { ...outer, ...run, id };
  return { depth: (outer.depth ?? 0) + 1, parent: outer.id, ...run, id };
}

/** Delivers what waits when the process has nothing else to do, and says what an exit cut off. */
function flushAtExit(sdk: WeirSdk): () => void {
  const flush = (): void => {
    if (sdk.counts().reports.pending > 0) void sdk.flush();
  };
  const say = (): void => {
    const { pending } = sdk.counts().reports;
    if (pending > 0) {
      console.error(
        `weir: the process ends with ${pending} reports not delivered; their reservations expire`,
      );
    }
  };
  process.on("beforeExit", flush);
  process.on("exit", say);
  return () => {
    process.off("beforeExit", flush);
    process.off("exit", say);
  };
}
