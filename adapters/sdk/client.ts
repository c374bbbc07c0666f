import { type CallCounts, Core } from "./core.ts";
import type { CallDecision, CallScope } from "./decision.ts";
import { guard, type GuardedCall, type GuardedResult } from "./guard.ts";
import type { ClientOptions } from "./options.ts";
import type { ReportCounts } from "./reports.ts";
import { type AnyHeaders, propagationOf, scopeOfCarrier, stepOfCarrier, within } from "./scope.ts";
import type { Transport } from "./transport.ts";
import { weirFetch } from "./weir-fetch.ts";

/** A client of Weir for an application. */
export interface WeirSdk {
  /** For `new OpenAI({ fetch })`, `new Anthropic({ fetch })`, or as it is. */
  readonly fetch: typeof fetch;
  /** The same client for calls of a narrower scope. */
  scoped(scope: CallScope): WeirSdk;
  /** The same client for what another process handed over in `traceparent` and `baggage`. */
  continued(headers: AnyHeaders): WeirSdk;
  /** Headers that hand the run on to another process of your own. */
  propagation(): Record<string, string>;
  /** Decides, makes and settles a call of any kind. */
  guard<Value>(
    call: GuardedCall,
    make: (decision: CallDecision | null) => Promise<GuardedResult<Value>>,
  ): Promise<Value>;
  counts(): Readonly<CallCounts> & { readonly reports: ReportCounts };
  /** Waits until every report is delivered, `timeoutMs` (5000) at most; true if all are. */
  flush(timeoutMs?: number): Promise<boolean>;
  /** Flushes, then closes the connection; true if every report was delivered. */
  close(timeoutMs?: number): Promise<boolean>;
  /** For the adapters of frameworks beside this file. */
  readonly core: Core;
  readonly scope: () => CallScope;
}

/** A client over a transport; `ambient` is the scope of the code that runs now. */
export function createSdk(
  transport: Transport,
  options: ClientOptions,
  ambient: () => CallScope,
): WeirSdk {
  const core = new Core(transport, options);
  return sdkOf(core, () => within(options.defaults ?? {}, ambient()));
}

function sdkOf(core: Core, scope: () => CallScope): WeirSdk {
  return {
    core,
    scope,
    fetch: weirFetch(core, scope),
    scoped: (narrow) => sdkOf(core, () => within(scope(), narrow)),
    continued: (headers) => {
      const carried = scopeOfCarrier(headers);
      core.continueRun(carried, stepOfCarrier(headers));
      return sdkOf(core, () => within(scope(), carried));
    },
    propagation: () => propagationOf(scope(), core.stepOf(scope().run)),
    guard: (call, make) => guard(core, scope(), call, make),
    counts: () => ({ ...core.counts, reports: core.reports.counts() }),
    flush: (timeoutMs = 5_000) => core.reports.flush(timeoutMs),
    close: async (timeoutMs = 5_000) => {
      const delivered = await core.reports.flush(timeoutMs);
      core.close();
      return delivered;
    },
  };
}
