import type { ServiceTier } from "../intent/intent.ts";
import type { Finding, Obligations } from "../policy/verdict.ts";

export type Effect = "allow" | "reroute" | "throttle" | "block";
export type Mode = "enforce" | "shadow";

/** A finding with its message rendered for people. */
export interface Reason extends Finding {
  readonly message: string;
}

/** Cost of the call on the model to call, micro-USD, rounded up. */
export interface DecisionEstimate {
  readonly priced: boolean;
  readonly expectedMicroUsd: number;
  readonly p95MicroUsd: number;
  readonly ceilingMicroUsd: number;
  readonly outputTokensMax: number;
}

/** The answer to one intent, the same for every ingress. */
export interface Decision {
  readonly id: string;
  readonly tenant: string;
  readonly effect: Effect;
  /** Model to call; "" if the call must not be made. */
  readonly model: string;
  readonly askedModel: string;
  readonly serviceTier: ServiceTier;
  readonly reasons: readonly Reason[];
  readonly obligations: Obligations;
  /** Only with throttle; else 0. */
  readonly retryAfterMs: number;
  readonly estimate: DecisionEstimate;
  /** When an unreported reservation ends, epoch ms; 0: nothing is held. */
  readonly expiresAtMs: number;
  readonly replayed: boolean;
  readonly mode: Mode;
  /** What it would have been, in shadow, where no alternative model is tried; null in enforce. */
  readonly wouldBe: Effect | null;
  /** "forced", "open": admitted outside the budgets' guarantee; "" otherwise. */
  readonly admission: "" | "forced" | "open";
  readonly bundleRevision: string;
  readonly bundleDigest: string;
  readonly decidedAtMs: number;
}
