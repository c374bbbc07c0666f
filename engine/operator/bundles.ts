import { WeirError } from "../errors.ts";
import { checkOperator } from "../intent/claims.ts";
import { FieldReader } from "../intent/fields.ts";
import { invalid } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import type { Ports } from "../ports.ts";
import { RECORD_VERSION } from "../record/record.ts";
import type { Caller } from "../weir.ts";

/** A bundle as people tell it from others. */
export interface BundleRef {
  readonly digest: string;
  readonly revision: string;
}

/** A bundle that came to decide. */
export interface Activation extends BundleRef {
  readonly atMs: number;
  /** Principal that asked for it; "weir": the source offered it. */
  readonly actor: string;
  readonly reason: string;
  /** Path or URL it came from. */
  readonly source: string;
}

/** A bundle that brought a process down, and is not used again unless an operator says so. */
export interface Quarantined {
  readonly digest: string;
  readonly atMs: number;
  readonly why: string;
}

/** What a second bundle would have decided. */
export interface CanaryStatus extends BundleRef {
  readonly source: string;
  readonly judged: number;
  readonly differences: number;
  /** Inputs that came too fast for it. */
  readonly dropped: number;
  /** Why it judges no longer; "": it does. */
  readonly stopped: string;
}

export interface BundleStatus {
  readonly active: Activation;
  /** Those before it, the latest first; the first is what a rollback returns to. */
  readonly earlier: readonly Activation[];
  /** Path or URL that the configuration names. */
  readonly configured: string;
  /** When it was last asked and when it last answered, epoch ms; 0: never, as of a path. */
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  /** Why the latest bundle of the source does not decide, or why there is none; "": it does. */
  readonly problem: string;
  readonly quarantined: readonly Quarantined[];
  readonly canary: CanaryStatus | null;
}

export interface BundleChange {
  readonly before: BundleRef;
  readonly after: Activation;
}

/**
 * Changes which bundle decides. A bundle that cannot be fetched is `bundle.unavailable`, one that is
 * refused `bundle.invalid`; the one that decided goes on then.
 */
export interface BundleControl {
  status(): BundleStatus;
  /** Fetches or reads a bundle and lets it decide. */
  activate(source: string, actor: string, reason: string): Promise<BundleChange>;
  /** Lets the bundle before decide again. */
  rollback(actor: string, reason: string): Promise<BundleChange>;
}

export interface RawActivation {
  /** Path on the service's machine, or URL. */
  readonly source?: unknown;
  readonly reason?: unknown;
}

/**
 * What operators of the whole platform do with bundles. Others are `auth.denied`, input that is wrong
 * is `admin.invalid`; both leave a `rejected` line. Throws WeirError and nothing else.
 */
export interface BundleOperator {
  status(caller: Caller): Promise<BundleStatus>;
  activate(raw: RawActivation, caller: Caller): Promise<BundleChange>;
  rollback(raw: RawActivation, caller: Caller): Promise<BundleChange>;
}

export function createBundleOperator(ports: Ports, control: BundleControl): BundleOperator {
  const refusing = async <Result>(caller: Caller, work: () => Promise<Result>): Promise<Result> => {
    try {
      checkOperator(ports.bundles.current().data.principals, caller.principal, "*");
      return await work();
    } catch (thrown) {
      const error = WeirError.from(thrown);
      if (error.code === "auth.denied" || error.code === "admin.invalid") {
        await ports.log.append({
          v: RECORD_VERSION,
          kind: "rejected",
          at_ms: ports.clock.nowMs(),
          code: error.code,
          fields: error.violations.map(({ field }) => field),
          principal: caller.principal,
        });
      }
      throw error;
    }
  };
  return {
    status: (caller) => refusing(caller, () => Promise.resolve(control.status())),
    activate: (raw, caller) =>
      refusing(caller, () => {
        const { reason, source } = parseActivation(raw, true);
        return control.activate(source, caller.principal, reason);
      }),
    rollback: (raw, caller) =>
      refusing(caller, () => {
        const { reason } = parseActivation(raw, false);
        return control.rollback(caller.principal, reason);
      }),
  };
}

function parseActivation(raw: RawActivation, needsSource: boolean) {
  const read = new FieldReader();
  const request = {
    reason: read.mandatoryText(raw.reason, "reason", LIMITS.reasonChars),
    source: needsSource ? read.mandatoryText(raw.source, "source", LIMITS.sourceChars) : "",
  };
  if (read.violations.length > 0) throw invalid("admin.invalid", "bundle", read);
  return request;
}
