import type {
  ScopeCharge,
  ScopeSnapshot,
  ScopeStatus,
  VelocityRequest,
  WindowParameters,
} from "../../engine/reservation/reservation.ts";
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

/** One velocity scope of one tenant. */
export interface ScopeState {
  readonly bornMs: number;
  seenMs: number;
  inFlight: number;
  readonly windows: readonly [WindowState, WindowState, WindowState];
}

/** Where a reservation counted: the scope and the index of each of its windows. */
export interface ScopeMark {
  readonly charge: ScopeCharge;
  readonly indexes: readonly number[];
}

/** The velocity scopes of one tenant. */
export class ScopeTable {
  readonly scopes = new Map<string, ScopeState>();

  /** Rolls and judges every scope before the intent is counted. */
  snapshot(charges: readonly ScopeCharge[], nowMs: number): readonly ScopeSnapshot[] {
    return charges.map((charge) => {
      const state = this.#open(charge.scope, nowMs);
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
      return { hot, inFlight: state.inFlight, retryAfterMs, windows };
    });
  }

  /** Every scope as it is now, judged on a copy: looking teaches and rolls nothing. */
  look({ kinds, nowMs }: Pick<VelocityRequest, "kinds" | "nowMs">): readonly ScopeStatus[] {
    const parameters = new Map(kinds.map(({ kind, windows }) => [kind, windows]));
    return [...this.scopes].map(([scope, { bornMs, inFlight, windows }]) => {
      const kind = scope.slice(0, scope.indexOf(":"));
      const judged = (parameters.get(kind) ?? []).map((one, index) => {
        const window = { ...(windows[index] as WindowState) };
        rollWindow(window, one, nowMs);
        return judgeWindow(window, one, nowMs, nowMs - bornMs);
      });
      return { inFlight, kind, scope, windows: judged };
    });
  }

  /** Counts an attempt in every scope, admitted or not. */
  attempt(charges: readonly ScopeCharge[], isRetry: boolean): readonly ScopeMark[] {
    let indexes: readonly number[] = NO_INDEXES;
    return charges.map((charge) => {
      const windows = this.scopes.get(charge.scope)?.windows ?? [];
      for (const window of windows) countAttempt(window, isRetry);
      indexes = indexesOf(windows, indexes);
      return { charge, indexes };
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
    return charges.map((charge) => {
      const state = this.scopes.get(charge.scope) as ScopeState;
      state.inFlight += 1;
      for (const window of state.windows) chargeWindow(window, cost);
      indexes = indexesOf(state.windows, indexes);
      return { charge, indexes };
    });
  }

  /** Corrects what a reservation counted, where its windows are still current or the previous ones. */
  correct(marks: readonly ScopeMark[], cost: number, calls: number, nowMs: number): void {
    for (const mark of marks) {
      this.#rolled(mark, nowMs).forEach((window, position) => {
        correctWindow(window, mark.indexes[position] as number, cost, calls);
      });
    }
  }

  /** Adds cost to the windows of now: money that shows up above its hold. */
  addNow(marks: readonly ScopeMark[], cost: number, nowMs: number): void {
    for (const mark of marks) {
      for (const window of this.#rolled(mark, nowMs)) correctWindow(window, window.index, cost, 0);
    }
  }

  /** A call is no longer in flight. */
  land(marks: readonly ScopeMark[]): void {
    for (const { charge } of marks) {
      const state = this.scopes.get(charge.scope);
      if (state !== undefined && state.inFlight > 0) state.inFlight -= 1;
    }
  }

  /** The windows of a mark's scope, moved to now. */
  #rolled({ charge }: ScopeMark, nowMs: number): readonly WindowState[] {
    const windows = this.scopes.get(charge.scope)?.windows ?? [];
    windows.forEach((window, position) => {
      rollWindow(window, charge.windows[position] as WindowParameters, nowMs);
    });
    return windows;
  }

  #open(scope: string, nowMs: number): ScopeState {
    let state = this.scopes.get(scope);
    if (state === undefined) {
      state = {
        bornMs: nowMs,
        inFlight: 0,
        seenMs: nowMs,
        windows: [freshWindow(), freshWindow(), freshWindow()],
      };
      this.scopes.set(scope, state);
    }
    if (nowMs > state.seenMs) state.seenMs = nowMs;
    return state;
  }
}

const NO_INDEXES: readonly number[] = [];

/** The windows' indexes; `before` itself if it holds the same, as it does for nearly every scope of a call. */
function indexesOf(windows: readonly WindowState[], before: readonly number[]): readonly number[] {
  const same =
    before.length === windows.length && windows.every(({ index }, at) => index === before[at]);
  return same ? before : windows.map(({ index }) => index);
}
