import { LIMITS } from "../../engine/limits.ts";
import type {
  ScopeCharge,
  ScopeSnapshot,
  ScopeStatus,
  VelocityRequest,
  WindowParameters,
} from "../../engine/reservation/reservation.ts";
import {
  CALL_COST_NOT_JUDGED,
  type CallCostState,
  chargeCallCost,
  correctCallCost,
  freshCallCost,
  judgeCallCost,
  rollCallCost,
} from "../../engine/velocity/call-cost.ts";
import {
  chargeWindow,
  correctWindow,
  countAttempt,
  freshWindow,
  judgeWindow,
  rollWindow,
  uncountAttempt,
  type WindowState,
} from "../../engine/velocity/window.ts";
import { evictOne } from "./evict.ts";

/** One velocity scope of one tenant. */
export interface ScopeState {
  readonly bornMs: number;
  seenMs: number;
  inFlight: number;
  readonly windows: readonly [WindowState, WindowState, WindowState];
  readonly callCost: CallCostState;
}

/** Where a reservation counted: the scope and the index of each of its windows. */
export interface ScopeMark {
  readonly charge: ScopeCharge;
  readonly indexes: readonly number[];
}

/**
 * The velocity scopes of one tenant, the idle-longest first. A scope begins with its first admitted call:
 * what is refused leaves nothing behind. At `max` the idle-longest quiet one makes room; one that is hot or
 * frozen, or has calls in flight, never does, and while none can, new scopes are judged as fresh ones.
 */
export class ScopeTable {
  readonly scopes = new Map<string, ScopeState>();
  readonly #max: number;
  readonly #isFrozen: (scope: string) => boolean;

  constructor(
    isFrozen: (scope: string) => boolean = () => false,
    max: number = LIMITS.scopesPerTenant,
  ) {
    this.#isFrozen = isFrozen;
    this.#max = max;
  }

  /** Rolls and judges every scope before the intent is counted. */
  snapshot(charges: readonly ScopeCharge[], nowMs: number): readonly ScopeSnapshot[] {
    return charges.map((charge) => {
      const state = this.scopes.get(charge.scope) ?? freshScope(nowMs);
      const ageMs = nowMs - state.bornMs;
      let hot = false;
      let retryAfterMs = 0;
      const windows = charge.windows.map((parameters, index) => {
        const window = state.windows[index] as WindowState;
        rollWindow(window, parameters, nowMs);
        const judged = judgeWindow(window, parameters, nowMs, ageMs);
        if (judged.hot) hot = true;
        if (judged.retryAfterMs > retryAfterMs) retryAfterMs = judged.retryAfterMs;
        return judged;
      });
      rollCallCost(state.callCost, charge.callCost, nowMs);
      const callCost = judgeCallCost(state.callCost, charge.callCost);
      return { callCost, hot, inFlight: state.inFlight, retryAfterMs, windows };
    });
  }

  /** Every scope as it is now, judged on a copy: looking teaches and rolls nothing. */
  look({ kinds, nowMs }: Pick<VelocityRequest, "kinds" | "nowMs">): readonly ScopeStatus[] {
    const parameters = new Map(kinds.map((planned) => [planned.kind, planned]));
    return [...this.scopes].map(([scope, { bornMs, callCost, inFlight, windows }]) => {
      const kind = scope.slice(0, scope.indexOf(":"));
      const planned = parameters.get(kind) ?? NOT_PLANNED;
      const judged = planned.windows.map((one, index) => {
        const window = { ...(windows[index] as WindowState) };
        rollWindow(window, one, nowMs);
        return judgeWindow(window, one, nowMs, nowMs - bornMs);
      });
      const cost = { ...callCost };
      rollCallCost(cost, planned.callCost, nowMs);
      const judgedCost = judgeCallCost(cost, planned.callCost);
      return { callCost: judgedCost, inFlight, kind, scope, windows: judged };
    });
  }

  /** Counts an attempt, admitted or not, in every scope that has begun; admitted, it begins the others. */
  attempt(
    charges: readonly ScopeCharge[],
    isRetry: boolean,
    admitted: boolean,
    nowMs: number,
  ): readonly ScopeMark[] {
    let indexes: readonly number[] = NO_INDEXES;
    return charges.flatMap((charge) => {
      const state = this.scopes.get(charge.scope) ?? (admitted ? this.#begin(charge, nowMs) : null);
      if (state === null) return [];
      for (const window of state.windows) countAttempt(window, isRetry);
      if (nowMs > state.seenMs) state.seenMs = nowMs;
      indexes = indexesOf(state.windows, indexes);
      return [{ charge, indexes }];
    });
  }

  /** Takes an attempt back: it is about to be judged again, as if it were new. */
  unattempt(marks: readonly ScopeMark[], isRetry: boolean): void {
    for (const { charge, indexes } of marks) {
      this.scopes.get(charge.scope)?.windows.forEach((window, position) => {
        uncountAttempt(window, indexes[position] as number, isRetry);
      });
    }
  }

  /** Counts an admitted call and its cost. */
  charge(charges: readonly ScopeCharge[], cost: number): readonly ScopeMark[] {
    let indexes: readonly number[] = NO_INDEXES;
    return charges.flatMap((charge) => {
      const state = this.scopes.get(charge.scope);
      if (state === undefined) return [];
      this.scopes.delete(charge.scope);
      this.scopes.set(charge.scope, state);
      state.inFlight += 1;
      for (const window of state.windows) chargeWindow(window, cost);
      chargeCallCost(state.callCost, charge.callCost, cost);
      indexes = indexesOf(state.windows, indexes);
      return [{ charge, indexes }];
    });
  }

  /** Forgets scopes that hold nothing any more, since their only calls were taken back. */
  dropBlank(marks: readonly ScopeMark[]): void {
    for (const { charge } of marks) {
      const state = this.scopes.get(charge.scope);
      if (state !== undefined && isBlank(state)) this.scopes.delete(charge.scope);
    }
  }

  /** Corrects what a reservation counted, where its windows are still current or the previous ones. */
  correct(marks: readonly ScopeMark[], cost: number, calls: number, nowMs: number): void {
    for (const mark of marks) {
      const state = this.#rolled(mark, nowMs);
      if (state === null) continue;
      state.windows.forEach((window, position) => {
        correctWindow(window, mark.indexes[position] as number, cost, calls);
      });
      const hour = mark.indexes.at(-1) as number;
      correctCallCost(state.callCost, mark.charge.callCost, hour, cost, calls);
    }
  }

  /** Adds cost to the windows of now: money that shows up above its hold. */
  addNow(marks: readonly ScopeMark[], cost: number, nowMs: number): void {
    for (const mark of marks) {
      const state = this.#rolled(mark, nowMs);
      if (state === null) continue;
      for (const window of state.windows) correctWindow(window, window.index, cost, 0);
      correctCallCost(state.callCost, mark.charge.callCost, state.callCost.hour, cost, 0);
    }
  }

  /** A call is no longer in flight. */
  land(marks: readonly ScopeMark[]): void {
    for (const { charge } of marks) {
      const state = this.scopes.get(charge.scope);
      if (state !== undefined && state.inFlight > 0) state.inFlight -= 1;
    }
  }

  /** A mark's scope, moved to now; null if it is gone. */
  #rolled({ charge }: ScopeMark, nowMs: number): ScopeState | null {
    const state = this.scopes.get(charge.scope);
    if (state === undefined) return null;
    state.windows.forEach((window, position) => {
      rollWindow(window, charge.windows[position] as WindowParameters, nowMs);
    });
    rollCallCost(state.callCost, charge.callCost, nowMs);
    return state;
  }

  /** A new scope; null if there is no room and none can make it. */
  #begin(charge: ScopeCharge, nowMs: number): ScopeState | null {
    if (this.scopes.size >= this.#max) {
      const mayGo = (state: ScopeState, name: string) => isQuiet(state) && !this.#isFrozen(name);
      if (!evictOne(this.scopes, mayGo)) return null;
    }
    const state = freshScope(nowMs);
    this.scopes.set(charge.scope, state);
    state.windows.forEach((window, position) => {
      rollWindow(window, charge.windows[position] as WindowParameters, nowMs);
    });
    rollCallCost(state.callCost, charge.callCost, nowMs);
    return state;
  }
}

function freshScope(nowMs: number): ScopeState {
  return {
    bornMs: nowMs,
    callCost: freshCallCost(),
    inFlight: 0,
    seenMs: nowMs,
    windows: [freshWindow(), freshWindow(), freshWindow()],
  };
}

function isQuiet({ callCost, inFlight, windows }: ScopeState): boolean {
  return inFlight === 0 && !callCost.hot && windows.every(({ hot }) => !hot);
}

/** No call is counted in it, and it has learnt nothing; attempts alone are not worth keeping. */
function isBlank({ callCost, inFlight, windows }: ScopeState): boolean {
  if (inFlight > 0 || callCost.calls > 0 || callCost.weight > 0) return false;
  return windows.every(
    ({ calls, callsBefore, cost, costBefore, learnt }) =>
      calls === 0 && callsBefore === 0 && cost === 0 && costBefore === 0 && learnt === 0,
  );
}

/** A kind that the bundle no longer has. */
const NOT_PLANNED = { callCost: CALL_COST_NOT_JUDGED, windows: [] };
const NO_INDEXES: readonly number[] = [];

/** The windows' indexes; `before` itself if it holds the same, as it does for nearly every scope of a call. */
function indexesOf(windows: readonly WindowState[], before: readonly number[]): readonly number[] {
  const same =
    before.length === windows.length && windows.every(({ index }, at) => index === before[at]);
  return same ? before : windows.map(({ index }) => index);
}
