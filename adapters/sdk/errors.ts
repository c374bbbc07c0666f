import type { Refusal } from "../../engine/provider/refusal.ts";
import type { CallDecision } from "./decision.ts";

/**
 * A call that Weir did not let through, where no client library raises an error of its own: from `guard`,
 * the AI SDK's middleware, LangChain's callback.
 */
export class WeirCallError extends Error {
  override readonly name: string = "WeirCallError";
  readonly code: string;
  readonly decisionId: string;
  /** rule, budget, resets_at, remedy: what of them is known. */
  readonly details: Readonly<Record<string, string>>;
  /** Null where nothing was decided. */
  readonly decision: CallDecision | null;
  /** Whether the same call may pass later; the name is the AI SDK's. */
  readonly isRetryable: boolean;

  constructor(refusal: Refusal, decision: CallDecision | null) {
    super(refusal.message);
    this.code = refusal.code;
    this.decisionId = refusal.decisionId;
    this.details = refusal.details;
    this.decision = decision;
    this.isRetryable = refusal.kind !== "blocked";
  }
}

/** The policy refuses the call; trying again does not help. */
export class WeirBlockedError extends WeirCallError {
  override readonly name = "WeirBlockedError";
}

/** Not now: `retryAfterMs` says when. */
export class WeirThrottledError extends WeirCallError {
  override readonly name = "WeirThrottledError";
  readonly retryAfterMs: number;

  constructor(refusal: Refusal, decision: CallDecision | null) {
    super(refusal, decision);
    this.retryAfterMs = refusal.retryAfterMs;
  }
}

/** Weir did not answer, and the fail mode is closed. */
export class WeirUnavailableError extends WeirCallError {
  override readonly name = "WeirUnavailableError";
}

export function callError(refusal: Refusal, decision: CallDecision | null): WeirCallError {
  switch (refusal.kind) {
    case "blocked":
      return new WeirBlockedError(refusal, decision);
    case "throttled":
      return new WeirThrottledError(refusal, decision);
    case "fault":
      return new WeirUnavailableError(refusal, decision);
  }
}
