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

type Figure = keyof WindowState;

// The order of scripts/include/window.lua and scopes.lua: calls in flight, of each window the figures that
// every call changes; birth, of each window the others.
const WARM: readonly Figure[] = [
  "index",
  "cost",
  "calls",
  "largest",
  "attempts",
  "retries",
  "costBefore",
  "hot",
];
const COLD: readonly Figure[] = [
  "callsBefore",
  "largestBefore",
  "attemptsBefore",
  "retriesBefore",
  "quantile",
  "learnt",
  "wasHot",
];
const WINDOWS = 3;

type Parameter = Exclude<keyof WindowParameters, "name">;
const WARM_PARAMETERS: readonly Parameter[] = ["windowMs", "floor", "cold"];
const COLD_PARAMETERS: readonly Parameter[] = [
  "ratioPercent",
  "callsMin",
  "need",
  "upDiv",
  "hotDiv",
  "gapDen",
  "leavePercent",
];

interface ScopeState {
  readonly bornMs: number;
  readonly inFlight: number;
  readonly windows: readonly WindowState[];
}

/** A scope as the scripts pack it; null or empty: nothing was counted in it yet. */
function unpackScope(packed: Buffer | null, nowMs: number): ScopeState {
  const windows = Array.from({ length: WINDOWS }, freshWindow);
  if (packed === null || packed.length === 0) return { bornMs: nowMs, inFlight: 0, windows };
  let at = 0;
  const next = () => packed.readDoubleLE(8 * at++);
  const read = (names: readonly Figure[]) => {
    for (const window of windows) for (const name of names) setFigure(window, name, next());
  };
  const inFlight = next();
  read(WARM);
  const bornMs = next();
  read(COLD);
  return { bornMs, inFlight, windows };
}

function setFigure(window: WindowState, name: Figure, figure: number): void {
  if (name === "hot" || name === "wasHot") window[name] = figure === 1;
  else window[name] = figure;
}

/** What a policy sees of a scope: its figures as they were kept, judged at a time. */
export function judgeScope(
  packed: Buffer | null,
  windows: ScopeCharge["windows"],
  nowMs: number,
): ScopeSnapshot {
  const state = unpackScope(packed, nowMs);
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
    const figures = [WARM_PARAMETERS, COLD_PARAMETERS].flatMap((names) =>
      windows.flatMap((window) => names.map((name) => window[name])),
    );
    const packed = Buffer.alloc(figures.length * 8);
    figures.forEach((figure, at) => packed.writeDoubleLE(figure, at * 8));
    found = { field: `w:${hash("sha256", packed).slice(0, 12)}`, packed };
    PACKED.set(windows, found);
  }
  return found;
}
