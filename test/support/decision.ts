import type { Decision } from "../../engine/decision/decision.ts";

/** The decision of a plainly allowed call, with changes. */
export function decisionOf(change: Partial<Decision> = {}): Decision {
  return {
    id: "d1",
    tenant: "acme",
    effect: "allow",
    model: "openai:gpt-5-mini",
    askedModel: "openai:gpt-5-mini",
    serviceTier: "standard",
    reasons: [],
    obligations: {},
    retryAfterMs: 0,
    estimate: {
      priced: true,
      expectedMicroUsd: 950,
      p95MicroUsd: 1_250,
      ceilingMicroUsd: 1_250,
      outputTokensMax: 500,
    },
    expiresAtMs: 1_764_072_120_000,
    replayed: false,
    mode: "enforce",
    wouldBe: null,
    admission: "",
    bundleRevision: "starter-1",
    bundleDigest: "ab".repeat(32),
    decidedAtMs: 1_764_072_000_000,
    ...change,
  };
}
