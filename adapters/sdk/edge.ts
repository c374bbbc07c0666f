import { createSdk, type WeirSdk } from "./client.ts";
import { httpTransport } from "./http-transport.ts";
import type { ClientOptions } from "./options.ts";

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

/** Options of a client where there is nothing but the web's own interfaces. */
export interface EdgeOptions extends ClientOptions {
  /** The address of Weir's HTTP, "https://weir.internal:7351". */
  readonly server: string;
}

/**
 * Opens a client over HTTP. Scopes are given with `scoped`, `continued` or headers; hand
 * `flush()` to the runtime's `waitUntil`, so that reports outlive the answer.
 */
export function openWeir(options: EdgeOptions): WeirSdk {
  const { key, server } = options;
  return createSdk(httpTransport({ key, server }), options, () => ({}));
}
