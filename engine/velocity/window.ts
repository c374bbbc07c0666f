import type { WindowParameters, WindowSnapshot } from "../reservation/reservation.ts";

/**
 * Spend velocity of one scope in one window, in constant state. Rate: two buckets, the previous one
 * weighted by its overlap. Baseline `quantile`: a stochastic p99 of completed windows that were not
 * empty, clipped so that a burst cannot teach it fast; hot windows teach slowly, empty ones decay it
 * slowly. Trip: judged before the intent is added and without the window's largest call, since one
 * lawful big call is not a velocity. Every figure is an integer below 2^53 (money in nano-USD), so
 * that the same arithmetic runs in Lua.
 */
export interface WindowState {
  /** Window index floor(now / windowMs); -1: unused. */
  index: number;
  /** Admitted cost, calls and largest call of the current window; the previous one's below. */
  cost: number;
  calls: number;
  largest: number;
  costBefore: number;
  callsBefore: number;
  largestBefore: number;
  /** Attempts and retries, admitted or not. */
  attempts: number;
  retries: number;
  attemptsBefore: number;
  retriesBefore: number;
  quantile: number;
  /** Windows learnt. */
  learnt: number;
  /** The current window was hot at some time. */
  wasHot: boolean;
  hot: boolean;
}

const SHARES = 1024;
const READY_WINDOWS = 5;
const SETTLED_WINDOWS = 20;
export const VELOCITY_AGE_MS = 24 * 3_600_000;

export function freshWindow(): WindowState {
  return {
    index: -1,
    cost: 0,
    calls: 0,
    largest: 0,
    costBefore: 0,
    callsBefore: 0,
    largestBefore: 0,
    attempts: 0,
    retries: 0,
    attemptsBefore: 0,
    retriesBefore: 0,
    quantile: 0,
    learnt: 0,
    wasHot: false,
    hot: false,
  };
}

/** floor(x · numerator / denominator) without a product above 2^53. */
export function mulDiv(x: number, numerator: number, denominator: number): number {
  const quotient = Math.floor(x / denominator);
  return (
    quotient * numerator + Math.floor(((x - quotient * denominator) * numerator) / denominator)
  );
}

/** Moves to the window of `nowMs`, learning from completed ones; a clock that steps back moves nothing. */
export function rollWindow(state: WindowState, p: WindowParameters, nowMs: number): void {
  const index = Math.floor(nowMs / p.windowMs);
  if (state.index < 0) {
    state.index = index;
    return;
  }
  if (index <= state.index) return;
  const gap = index - state.index;
  if (state.cost > 0) learn(state, p, state.cost);
  if (gap > 1) {
    const empty = Math.min(gap - 1, Math.floor(p.gapDen / 2));
    state.quantile -= mulDiv(state.quantile, empty, p.gapDen);
  }
  const adjacent = gap === 1;
  state.costBefore = adjacent ? state.cost : 0;
  state.callsBefore = adjacent ? state.calls : 0;
  state.largestBefore = adjacent ? state.largest : 0;
  state.attemptsBefore = adjacent ? state.attempts : 0;
  state.retriesBefore = adjacent ? state.retries : 0;
  state.cost = 0;
  state.calls = 0;
  state.largest = 0;
  state.attempts = 0;
  state.retries = 0;
  state.wasHot = false;
  state.index = index;
}

function learn(state: WindowState, p: WindowParameters, completed: number): void {
  let cost = completed;
  if (state.learnt < p.need) {
    cost = Math.min(cost, p.cold);
  } else if (state.wasHot) {
    if (cost > state.quantile) {
      state.quantile += Math.min(cost - state.quantile, Math.floor(state.quantile / p.hotDiv));
    }
    return;
  }
  if (state.learnt >= READY_WINDOWS) {
    cost = Math.min(cost, 2 * Math.max(state.quantile, mulDiv(p.floor, 100, p.ratioPercent)));
  }
  state.learnt += 1;
  if (state.learnt < SETTLED_WINDOWS) {
    state.quantile = Math.max(state.quantile, cost);
  } else if (cost > state.quantile) {
    state.quantile += Math.min(cost - state.quantile, Math.floor(state.quantile / p.upDiv) + 1);
  } else {
    state.quantile -= Math.floor(Math.floor(state.quantile / p.upDiv) / 99);
  }
}

/** Judges the world before this intent and says what policies see. Call after rollWindow. */
export function judgeWindow(
  state: WindowState,
  p: WindowParameters,
  nowMs: number,
  ageMs: number,
): WindowSnapshot {
  const share = overlap(p, nowMs);
  const weighted = (current: number, before: number) => current + mulDiv(before, share, SHARES);
  const rate = weighted(state.cost, state.costBefore);
  const calls = weighted(state.calls, state.callsBefore);
  const largest = Math.max(state.largest, mulDiv(state.largestBefore, share, SHARES));
  const armed = ageMs >= VELOCITY_AGE_MS && state.learnt >= p.need;
  const limit = armed ? Math.max(p.floor, mulDiv(state.quantile, p.ratioPercent, 100)) : p.cold;
  const leave = mulDiv(limit, p.leavePercent, 100);
  if (state.hot) {
    if (rate < leave) state.hot = false;
  } else if (rate - largest >= limit && calls >= p.callsMin) {
    state.hot = true;
  }
  if (state.hot) state.wasHot = true;
  const ready = state.learnt >= READY_WINDOWS;
  return {
    name: p.name,
    rate,
    limit,
    percent: ready ? mulDiv(rate, 100, Math.max(state.quantile, p.floor, 1)) : 0,
    baselineReady: ready,
    armed,
    hot: state.hot,
    retryAfterMs: state.hot ? msUntilBelow(state, p, nowMs, leave) : 0,
    calls,
    attempts: weighted(state.attempts, state.attemptsBefore),
    retries: weighted(state.retries, state.retriesBefore),
  };
}

/** Counts an attempt; its cost is added apart, by chargeWindow, where it is admitted. */
export function countAttempt(state: WindowState, isRetry: boolean): void {
  state.attempts += 1;
  if (isRetry) state.retries += 1;
}

/** Takes an attempt back from the window it was counted in, if that is still kept. */
export function uncountAttempt(state: WindowState, index: number, isRetry: boolean): void {
  const retries = isRetry ? 1 : 0;
  if (index === state.index) {
    state.attempts = Math.max(0, state.attempts - 1);
    state.retries = Math.max(0, state.retries - retries);
  } else if (index === state.index - 1) {
    state.attemptsBefore = Math.max(0, state.attemptsBefore - 1);
    state.retriesBefore = Math.max(0, state.retriesBefore - retries);
  }
}

export function chargeWindow(state: WindowState, cost: number): void {
  state.cost = saturate(state.cost + cost);
  state.calls += 1;
  if (cost > state.largest) state.largest = cost;
}

/** Corrects the window `index`, if it is still the current or the previous one; never below zero. */
export function correctWindow(
  state: WindowState,
  index: number,
  cost: number,
  calls: number,
): void {
  if (index === state.index) {
    state.cost = saturate(Math.max(0, state.cost + cost));
    state.calls = Math.max(0, state.calls + calls);
  } else if (index === state.index - 1) {
    state.costBefore = saturate(Math.max(0, state.costBefore + cost));
    state.callsBefore = Math.max(0, state.callsBefore + calls);
  }
}

/** Milliseconds until the rate is below `limit` if nothing more comes; at most two windows. */
function msUntilBelow(
  state: WindowState,
  p: WindowParameters,
  nowMs: number,
  limit: number,
): number {
  const elapsed = nowMs % p.windowMs;
  const rest = p.windowMs - elapsed;
  if (limit <= 0) return 2 * p.windowMs;
  if (state.cost + mulDiv(state.costBefore, overlap(p, nowMs), SHARES) < limit) return 0;
  const belowAt = (bucket: number, room: number) => {
    const share = Math.floor((room * SHARES) / bucket);
    return Math.ceil(p.windowMs - ((share + 1) * p.windowMs) / SHARES) + 1;
  };
  if (state.cost < limit) {
    return Math.max(0, belowAt(state.costBefore, limit - state.cost - 1) - elapsed);
  }
  return rest + Math.max(0, belowAt(state.cost, limit - 1));
}

/** Part of the previous window still inside the sliding one, in 1024ths. */
function overlap(p: WindowParameters, nowMs: number): number {
  return Math.floor(((p.windowMs - (nowMs % p.windowMs)) * SHARES) / p.windowMs);
}

function saturate(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}
