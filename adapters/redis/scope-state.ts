import { hash } from "node:crypto";

import type {
  ScopeCharge,
  ScopeSnapshot,
  WindowParameters,
  WindowSnapshot,
} from "../../engine/reservation/reservation.ts";
import {
  freshWindow,
  judgeWindow,
  rollWindow,
  type WindowState,
} from "../../engine/velocity/window.ts";

/** The figures of a window, in the order of scripts/include/window.lua. */
const FIGURES: readonly Exclude<keyof WindowState, "wasHot" | "hot">[] = [
  "index",
  "cost",
  "calls",
  "largest",
  "costBefore",
  "callsBefore",
  "largestBefore",
  "attempts",
  "retries",
  "attemptsBefore",
  "retriesBefore",
  "quantile",
  "learnt",
];
/** `wasHot` and `hot` come last. */
const WINDOW_FIGURES = FIGURES.length + 2;

/** The parameters of a window that the scripts need, in the order of scripts/include/window.lua. */
const PARAMETERS = [
  "windowMs",
  "floor",
  "cold",
  "ratioPercent",
  "callsMin",
  "need",
  "upDiv",
  "hotDiv",
  "gapDen",
  "leavePercent",
] as const satisfies readonly (keyof WindowParameters)[];

interface ScopeState {
  readonly bornMs: number;
  readonly inFlight: number;
  readonly windows: readonly WindowState[];
}

/** A scope as the scripts pack it; null: nothing was counted in it yet. */
function unpackScope(packed: Buffer | null, windows: number, nowMs: number): ScopeState {
  const fresh = packed === null || packed.length === 0;
  const figure = (at: number) => (fresh ? 0 : packed.readDoubleLE(at * 8));
  const windowAt = (position: number): WindowState => {
    const state = freshWindow();
    if (fresh) return state;
    const from = 2 + position * WINDOW_FIGURES;
    FIGURES.forEach((name, at) => (state[name] = figure(from + at)));
    state.wasHot = figure(from + FIGURES.length) === 1;
    state.hot = figure(from + FIGURES.length + 1) === 1;
    return state;
  };
  return {
    bornMs: fresh ? nowMs : figure(0),
    inFlight: figure(1),
    windows: Array.from({ length: windows }, (_, position) => windowAt(position)),
  };
}

/** What a policy sees of a scope: its figures as they were kept, judged at a time. */
export function judgeScope(
  packed: Buffer | null,
  windows: ScopeCharge["windows"],
  nowMs: number,
): ScopeSnapshot {
  const state = unpackScope(packed, windows.length, nowMs);
  const judged = windows.map((parameters, position): WindowSnapshot => {
    const window = state.windows[position] as WindowState;
    rollWindow(window, parameters, nowMs);
    return judgeWindow(window, parameters, nowMs, nowMs - state.bornMs);
  });
  return {
    hot: judged.some(({ hot }) => hot),
    inFlight: state.inFlight,
    retryAfterMs: Math.max(0, ...judged.map(({ retryAfterMs }) => retryAfterMs)),
    windows: judged,
  };
}

/** Parameters of the windows of a kind of scope, as the scripts unpack them, and their field. */
export interface PackedWindows {
  readonly field: string;
  readonly packed: Buffer;
}

const PACKED = new WeakMap<readonly WindowParameters[], PackedWindows>();

/** A bundle has one list of windows per kind of scope: it is packed once. */
export function packWindows(windows: readonly WindowParameters[]): PackedWindows {
  let found = PACKED.get(windows);
  if (found === undefined) {
    const figures = windows.flatMap((window) => PARAMETERS.map((name) => window[name]));
    const packed = Buffer.alloc(figures.length * 8);
    figures.forEach((figure, at) => packed.writeDoubleLE(figure, at * 8));
    found = { field: `w:${hash("sha256", packed).slice(0, 12)}`, packed };
    PACKED.set(windows, found);
  }
  return found;
}
