import type { Decision } from "../../engine/decision/decision.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import type { Caller, Weir } from "../../engine/weir.ts";

/** A decision of an allowed call, for tests. */
export function decisionFor(change: Partial<Decision> = {}): Decision {
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

/** An engine that remembers what it was asked and answers what it is told, for tests. */
export class FakeWeir implements Weir {
  readonly asked: { readonly raw: RawIntent; readonly caller: Caller }[] = [];
  readonly undeliveredIds: string[] = [];
  answer: () => Promise<Decision> = () => Promise.resolve(decisionFor());

  decide(raw: RawIntent, caller: Caller): Promise<Decision> {
    this.asked.push({ raw, caller });
    return this.answer();
  }

  report(): Promise<never> {
    return Promise.reject(new Error("not asked for"));
  }

  cancel(): Promise<never> {
    return Promise.reject(new Error("not asked for"));
  }

  undelivered(decision: Decision): Promise<void> {
    this.undeliveredIds.push(decision.id);
    return Promise.resolve();
  }

  sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }
}
