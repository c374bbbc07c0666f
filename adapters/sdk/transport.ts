import type { CallDecision, CallIntent, CallReport, Settlement } from "./decision.ts";

/** A way to a Weir service. Every failure is a TransportError. */
export interface Transport {
  /** Rejects with "deadline" where no answer came in `timeoutMs`. */
  decide(intent: CallIntent, timeoutMs: number): Promise<CallDecision>;
  report(report: CallReport, timeoutMs: number): Promise<Settlement>;
  cancel(decisionId: string, timeoutMs: number): Promise<void>;
  close(): void;
}

/** Why a service gave no answer, or an answer that is none. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /** Weir's error code ("intent.invalid"), or "unreachable" or "deadline". */
  readonly code: string;
  /** Trying again may help. */
  readonly isTransient: boolean;

  constructor(code: string, message: string, options: { isTransient: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.isTransient = options.isTransient;
  }

  /** Wraps a stranger. */
  static from(thrown: unknown): TransportError {
    if (thrown instanceof TransportError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new TransportError("internal", message, { isTransient: true, cause: thrown });
  }
}

/** Codes after which the same message may be taken when it is sent again: the service was not able to. */
const TRANSIENT = new Set([
  "intent.in_flight",
  "internal",
  "log.unavailable",
  "server.draining",
  "server.overloaded",
  "state.unavailable",
]);

/** The error that Weir itself answered with. */
export function refusedBy(code: string, message: string): TransportError {
  return new TransportError(code, message, { isTransient: TRANSIENT.has(code) });
}
