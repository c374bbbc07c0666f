import { describe, expect, it } from "vitest";
import {
  CALL_COST_NOT_JUDGED,
  chargeCallCost,
  correctCallCost,
  freshCallCost,
  judgeCallCost,
  rollCallCost,
} from "./call-cost.ts";

const HOUR_MS = 3_600_000;
/** 1 USD above one and a half times the usual. */
const P = { floor: 1_000_000_000, ratioPercent: 150 };
const CENT = 10_000_000;

/** A scope that made calls of a cent, ten an hour, for so many hours. */
function learnt(hours: number, parameters = P) {
  const state = freshCallCost();
  for (let hour = 0; hour < hours; hour += 1) {
    for (let call = 0; call < 10; call += 1) {
      rollCallCost(state, parameters, hour * HOUR_MS + call * 60_000);
      chargeCallCost(state, parameters, CENT);
    }
  }
  rollCallCost(state, parameters, hours * HOUR_MS);
  return { nowMs: hours * HOUR_MS, state };
}

describe("cost per call", () => {
  it("learns what a call usually costs and says when it has learnt enough", () => {
    expect(judgeCallCost(learnt(23).state, P)).toMatchObject({ armed: false, usual: CENT });
    expect(judgeCallCost(learnt(24).state, P)).toEqual({
      armed: true,
      excess: 0,
      hot: false,
      limit: P.floor,
      retryAfterMs: 0,
      usual: CENT,
    });
  });

  it("is hot once calls have cost so much above the usual, and says when it no longer is", () => {
    const { nowMs, state } = learnt(30);
    let calls = 0;
    while (!judgeCallCost(state, P).hot) {
      chargeCallCost(state, P, 4 * CENT);
      calls += 1;
    }
    // Each costs 2.5 cents above one and a half times the usual.
    expect(calls).toBe(40);
    const { retryAfterMs } = judgeCallCost(state, P);
    expect(retryAfterMs).toBeGreaterThan(0.3 * HOUR_MS - 2);
    rollCallCost(state, P, nowMs + retryAfterMs - 5);
    expect(judgeCallCost(state, P).hot).toBe(true);
    rollCallCost(state, P, nowMs + retryAfterMs);
    expect(judgeCallCost(state, P)).toMatchObject({ hot: false, retryAfterMs: 0 });
  });

  it("does not mind one lawful big call, or more calls of the usual cost", () => {
    const { state } = learnt(30);
    chargeCallCost(state, P, 900 * CENT);
    expect(judgeCallCost(state, P)).toMatchObject({ hot: false });
    for (let call = 0; call < 10_000; call += 1) chargeCallCost(state, P, CENT);
    expect(judgeCallCost(state, P)).toMatchObject({ excess: 0, hot: false });
  });

  it("needs the cost of many calls where a call usually costs much", () => {
    const dear = { floor: CENT, ratioPercent: 150 };
    const { state } = learnt(60, dear);
    const { limit, usual } = judgeCallCost(state, dear);
    expect(limit).toBe(40 * usual);
    for (let call = 0; call < 6; call += 1) chargeCallCost(state, dear, 1_000 * CENT);
    expect(judgeCallCost(state, dear).hot).toBe(false);
  });

  it("takes back what a call was counted for, and raises nothing by that", () => {
    const { state } = learnt(30);
    const before = structuredClone(state);
    chargeCallCost(state, P, 4 * CENT);
    correctCallCost(state, P, state.hour, -4 * CENT, -1);
    expect(state).toEqual(before);
    for (let call = 0; call < 500; call += 1) {
      chargeCallCost(state, P, CENT);
      correctCallCost(state, P, state.hour, -CENT, -1);
    }
    expect(state).toEqual(before);
  });

  it("counts what a call cost above its estimate when that is known", () => {
    const { state } = learnt(30);
    for (let call = 0; call < 60; call += 1) {
      chargeCallCost(state, P, CENT);
      correctCallCost(state, P, state.hour, 3 * CENT, 0);
    }
    expect(judgeCallCost(state, P).hot).toBe(true);
  });

  it("leaves hours that are over alone, and so does a clock that steps back", () => {
    const { nowMs, state } = learnt(30);
    const before = structuredClone(state);
    correctCallCost(state, P, state.hour - 2, 50 * CENT, 0);
    rollCallCost(state, P, nowMs - 5_000_000);
    expect(state).toEqual(before);
  });

  it("gets used to a price that rose for good, though it is hot meanwhile", () => {
    const { nowMs, state } = learnt(30);
    let lastHot = 0;
    for (let minute = 0; minute < 200 * 60; minute += 1) {
      rollCallCost(state, P, nowMs + minute * 60_000);
      if (judgeCallCost(state, P).hot) lastHot = minute / 60;
      else chargeCallCost(state, P, 8 * CENT);
    }
    expect(lastHot).toBeGreaterThan(3);
    expect(lastHot).toBeLessThan(72);
  });

  it("is never hot where it is not judged, whatever calls cost", () => {
    const { state } = learnt(30, CALL_COST_NOT_JUDGED);
    for (let call = 0; call < 2_000; call += 1) {
      chargeCallCost(state, CALL_COST_NOT_JUDGED, Number.MAX_SAFE_INTEGER / 4_000);
    }
    expect(judgeCallCost(state, CALL_COST_NOT_JUDGED).hot).toBe(false);
  });
});
