import { describe, expect, test } from "vitest";

import { parseIntent } from "../intent/parse.ts";
import { canonicalJson } from "../record/canonical.ts";
import type { Estimate } from "../pricing/estimate.ts";
import type {
  CallCostSnapshot,
  Hold,
  Snapshot,
  WindowSnapshot,
} from "../reservation/reservation.ts";
import type { PolicyInput } from "./input.ts";
import { type Judged, writeInput } from "./write-input.ts";

const NASTY = String.raw`quote " slash \ tab` + " é 漢 😀 \u2028 </script>";

const HOLD: Hold = {
  amount: 1_500n,
  budget: NASTY,
  endsAtMs: 5_000,
  instance: "i",
  limit: 10_000n,
  mode: "hard",
  onExpiryAmount: 0n,
  unit: "nano_usd",
};

const WINDOW: WindowSnapshot = {
  armed: true,
  attempts: 4,
  baselineReady: true,
  calls: 3,
  hot: false,
  limit: 100_000,
  name: "1m",
  percent: 25,
  rate: 25_000,
  retries: 0,
  retryAfterMs: 0,
};

const CALL_COST: CallCostSnapshot = {
  armed: true,
  excess: 0,
  hot: false,
  limit: 100_000,
  retryAfterMs: 0,
  usual: 2_001,
};

const SNAPSHOT: Snapshot = {
  budgets: [{ fits: true, used: 1_001n }],
  freezes: [{ reason: NASTY, scope: "team:search" }],
  run: { children: 3, repeats: 1, siblings: 4, spentNanoUsd: 1_001, steps: 2 },
  scopes: [{ callCost: CALL_COST, hot: false, inFlight: 7, retryAfterMs: 0, windows: [WINDOW] }],
  unreported: { ended: 3, expired: 1 },
};

function judged(change: Partial<Judged> = {}): Judged {
  const attribution = { team: NASTY, tenant: "acme", user: NASTY };
  const raw = {
    attribution,
    data: { classes: ["pii", NASTY], residency: NASTY },
    id: "i",
    labels: JSON.parse(`{"__proto__":"p","b":${JSON.stringify(NASTY)},"a":"x"}`) as never,
    model: "a:b",
    operation: "chat",
    run: { depth: 1, fingerprint: NASTY, id: "r", step: 2 },
    task: NASTY,
    tokens: { input: 1 },
  };
  const estimate = {
    answers: 2,
    ceilingPicoUsd: 1_000_001n,
    fitsContext: true,
    inputTokensP95: 10,
    known: true,
    outputTokensCap: 5,
    priced: true,
  } as Estimate;
  return {
    candidates: [
      { clearance: "internal", cost_micro_usd: 3, model: `a:${NASTY}`, regions: ["eu"], tier: 1 },
    ],
    estimate,
    holds: [HOLD],
    flexPriced: true,
    intent: parseIntent(raw, NASTY),
    local: { date: "2026-11-25", time: "09:30", weekday: "wed" },
    mode: "enforce",
    model: "a:b",
    nowMs: 1_000,
    onStateLoss: () => "closed",
    reportPercent: 25,
    freezes: SNAPSHOT.freezes,
    scopes: [
      {
        callCost: { floor: 1, ratioPercent: 150 },
        kind: "team",
        scope: `team:${NASTY}`,
        windows: [],
      },
    ],
    snapshot: SNAPSHOT,
    ...change,
  };
}

const parsed = (change?: Partial<Judged>) => JSON.parse(writeInput(judged(change))) as PolicyInput;

describe("the policy input", () => {
  test.each([
    ["whole", SNAPSHOT],
    ["while the state is lost", null],
  ])("is canonical, %s", (_, snapshot) => {
    const text = writeInput(judged({ snapshot }));
    expect(canonicalJson(JSON.parse(text))).toBe(text);
  });

  test("holds every text as it was", () => {
    const { candidates, context, intent } = parsed();
    expect([intent.task, intent.principal, intent.run.fingerprint, intent.labels["b"]]).toEqual([
      NASTY,
      NASTY,
      NASTY,
      NASTY,
    ]);
    expect(Object.entries(intent.labels)).toContainEqual(["__proto__", "p"]);
    expect(intent.data).toEqual({
      classes: ["pii", NASTY],
      residency: NASTY,
      sensitivity: "unspecified",
    });
    expect(candidates[0]?.model).toBe(`a:${NASTY}`);
    expect(context.freezes).toEqual([{ reason: NASTY, scope: "team:search" }]);
    expect(context.velocity[0]?.scope).toBe(`team:${NASTY}`);
  });

  test("rounds costs up and what is left down", () => {
    const [budget] = parsed().context.budgets;
    expect(budget).toEqual({
      cost: 2,
      fits: true,
      id: NASTY,
      mode: "hard",
      remaining: 8,
      resets_in_ms: 4_000,
      unit: "usd",
      used_percent: 11,
    });
    expect(parsed().context.run).toEqual({
      children: 3,
      repeats: 1,
      siblings: 4,
      spent_micro_usd: 2,
      steps: 2,
    });
    expect(parsed().facts).toMatchObject({
      cost_micro_usd: 2,
      output_tokens: 10,
      tokens: 20,
      unreported_percent: 33,
    });
  });

  test("says what a lost state means for each budget", () => {
    const { budgets, run, state, velocity } = parsed({ snapshot: null }).context;
    expect({ run, state, velocity }).toEqual({ run: null, state: "unavailable", velocity: [] });
    expect(budgets[0]).toMatchObject({
      fits: null,
      on_state_loss: "closed",
      remaining: null,
      used_percent: null,
    });
  });

  test.each([
    ["below its share", { rate: 24_999 }, 25, 0],
    ["at its share", { rate: 25_000 }, 25, 1],
    ["hot", { hot: true, rate: 0 }, 25, 1],
    ["with a retry", { rate: 0, retries: 1 }, 25, 1],
    ["with nothing in it", { attempts: 0, calls: 0, rate: 0 }, 0, 0],
    ["with a call, where all are told", { rate: 0 }, 0, 1],
  ])("tells of a window %s", (_name, change, reportPercent, told) => {
    const windows = [{ ...WINDOW, ...change }];
    const scope = { callCost: CALL_COST, hot: false, inFlight: 0, retryAfterMs: 0, windows };
    const { velocity } = parsed({
      reportPercent,
      snapshot: { ...SNAPSHOT, scopes: [scope] },
    }).context;
    expect(velocity).toHaveLength(told);
  });

  test.each([
    ["below its share of the limit", { excess: 24_999 }, null],
    [
      "at its share",
      { excess: 25_001 },
      {
        armed: true,
        excess_micro_usd: 26,
        hot: false,
        limit_micro_usd: 100,
        retry_after_ms: 0,
        usual_micro_usd: 3,
      },
    ],
    ["hot", { hot: true, retryAfterMs: 7 }, { hot: true, retry_after_ms: 7 }],
  ])("tells of a cost per call %s", (_name, change, told) => {
    const callCost = { ...CALL_COST, ...change };
    const scope = { callCost, hot: false, inFlight: 0, retryAfterMs: 0, windows: [] };
    const { velocity } = parsed({ snapshot: { ...SNAPSHOT, scopes: [scope] } }).context;
    if (told === null) expect(velocity).toEqual([]);
    else expect(velocity).toMatchObject([{ call_cost: told, windows: [] }]);
  });
});
