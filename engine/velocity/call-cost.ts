import type { CallCostParameters, CallCostSnapshot } from "../reservation/reservation.ts";
import { mulDiv } from "./window.ts";

/**
 * What a call of one scope costs, against what its calls usually cost, in constant state: a price jump
 * or a prompt that grew shows here, not in the rate. `usual` is the mean of completed hours, each
 * weighted by its calls. `excess` sums up what calls cost above `ratioPercent` of it, and falls by what
 * they cost below, and by the limit each hour; at the limit the scope is hot. No call counts for more
 * than an eighth of the limit, so one lawful big call is no jump. Every figure is an integer below 2^53
 * (money in nano-USD), so that the same arithmetic runs in Lua.
 */
export interface CallCostState {
  /** Hour floor(now / hour); -1: unused. */
  hour: number;
  /** Cost of this hour's admitted calls, each counted for its part at most, and how many there were. */
  cost: number;
  calls: number;
  usual: number;
  /** Calls that `usual` stands for, at most CALLS_KEPT. */
  weight: number;
  /** Hours learnt. */
  learnt: number;
  excess: number;
  /** When the excess last fell with time, epoch ms. */
  fellMs: number;
  /** This hour was hot at some time. */
  wasHot: boolean;
  hot: boolean;
}

const HOUR_MS = 3_600_000;
const HOURS_NEEDED = 24;
const CALLS_NEEDED = 20;
/** The limit is worth at least so many usual calls. */
const USUAL_CALLS = 40;
const PARTS = 8;
/** An hour counts for so many calls at most, a hot one for fewer: it teaches slowly. */
const CALLS_PER_HOUR = 64;
const CALLS_PER_HOT_HOUR = 16;
const CALLS_KEPT = 512;
const LEAVE_PERCENT = 70;
/** The excess stands at most so far above its limit, so that the wait has a bound. */
const MOST_PERCENT = 125;

/** Of a kind of scope whose cost per call is not judged. */
export const CALL_COST_NOT_JUDGED: CallCostParameters = Object.freeze({
  floor: Number.MAX_SAFE_INTEGER,
  ratioPercent: 100,
});

export function freshCallCost(): CallCostState {
  return {
    hour: -1,
    cost: 0,
    calls: 0,
    usual: 0,
    weight: 0,
    learnt: 0,
    excess: 0,
    fellMs: 0,
    wasHot: false,
    hot: false,
  };
}

/** Moves to `nowMs`: learns a completed hour, lets the excess fall; a clock that steps back moves nothing. */
export function rollCallCost(state: CallCostState, p: CallCostParameters, nowMs: number): void {
  if (nowMs > state.fellMs) {
    const passedMs = Math.min(HOUR_MS * 2, nowMs - state.fellMs);
    state.excess = Math.max(0, state.excess - mulDiv(limitOf(state, p), passedMs, HOUR_MS));
    state.fellMs = nowMs;
  }
  const hour = Math.floor(nowMs / HOUR_MS);
  if (hour <= state.hour) return;
  if (state.calls > 0) learn(state);
  state.hour = hour;
  state.cost = 0;
  state.calls = 0;
  state.wasHot = false;
}

function learn(state: CallCostState): void {
  const mean = Math.floor(state.cost / state.calls);
  const calls = Math.min(state.calls, state.wasHot ? CALLS_PER_HOT_HOUR : CALLS_PER_HOUR);
  state.usual += mulDiv(mean - state.usual, calls, state.weight + calls);
  state.weight = Math.min(CALLS_KEPT, state.weight + calls);
  state.learnt = Math.min(HOURS_NEEDED, state.learnt + 1);
}

/** Judges the world before this intent and says what policies see. Call after rollCallCost. */
export function judgeCallCost(state: CallCostState, p: CallCostParameters): CallCostSnapshot {
  const limit = limitOf(state, p);
  const armed = isArmed(state);
  const leave = mulDiv(limit, LEAVE_PERCENT, 100);
  if (state.hot) {
    if (state.excess < leave) state.hot = false;
  } else if (armed && state.excess >= limit) {
    state.hot = true;
  }
  if (state.hot) state.wasHot = true;
  const { excess, hot, usual } = state;
  const retryAfterMs = hot ? Math.ceil(mulDiv(excess - leave, HOUR_MS, limit)) + 1 : 0;
  return { armed, excess, hot, limit, retryAfterMs, usual };
}

/** Counts an admitted call. */
export function chargeCallCost(state: CallCostState, p: CallCostParameters, cost: number): void {
  const counted = Math.min(cost, partOf(state, p));
  state.cost = saturate(state.cost + counted);
  state.calls += 1;
  if (isArmed(state)) raise(state, p, counted - allowed(state, p));
}

/**
 * Corrects what a call of `hour` was counted for by `cost`; `calls` is -1 where it never ran. Nothing
 * that is taken back can raise the excess.
 */
export function correctCallCost(
  state: CallCostState,
  p: CallCostParameters,
  hour: number,
  cost: number,
  calls: number,
): void {
  if (hour < state.hour - 1) return;
  const part = partOf(state, p);
  const counted = Math.max(-part, Math.min(cost, part));
  if (hour === state.hour) {
    state.cost = saturate(Math.max(0, state.cost + counted));
    state.calls = Math.max(0, state.calls + calls);
  }
  if (!isArmed(state)) return;
  raise(state, p, calls < 0 ? Math.min(0, counted + allowed(state, p)) : counted);
}

function raise(state: CallCostState, p: CallCostParameters, by: number): void {
  const most = saturate(mulDiv(limitOf(state, p), MOST_PERCENT, 100));
  state.excess = Math.max(0, Math.min(most, state.excess + by));
}

function limitOf({ usual }: CallCostState, { floor }: CallCostParameters): number {
  return Math.max(floor, saturate(USUAL_CALLS * usual));
}

function partOf(state: CallCostState, p: CallCostParameters): number {
  return Math.floor(limitOf(state, p) / PARTS);
}

function allowed({ usual }: CallCostState, { ratioPercent }: CallCostParameters): number {
  return mulDiv(usual, ratioPercent, 100);
}

function isArmed({ learnt, weight }: CallCostState): boolean {
  return learnt >= HOURS_NEEDED && weight >= CALLS_NEEDED;
}

function saturate(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}
