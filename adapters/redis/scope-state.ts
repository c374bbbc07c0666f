import { hash } from "node:crypto";

import type {
  ScopeCharge,
  ScopeSnapshot,
  WindowParameters,
  WindowSnapshot,
} from "../../engine/reservation/reservation.ts";
import {
  type CallCostState,
  freshCallCost,
  judgeCallCost,
  rollCallCost,
} from "../../engine/velocity/call-cost.ts";
import {
  freshWindow,
  judgeWindow,
  rollWindow,
  type WindowState,
} from "../../engine/velocity/window.ts";

type Figure = keyof WindowState;

// The order of scripts/include/window.lua, cost.lua and scopes.lua: calls in flight, of each window the
// figures that every call changes, the cost per call; birth, of each window the others.
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
const PER_CALL: readonly (keyof CallCostState)[] = [
  "hour",
  "cost",
  "calls",
  "usual",
  "weight",
  "learnt",
  "excess",
  "fellMs",
  "wasHot",
  "hot",
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

/** What decides how a kind of scope is judged. */
type Judging = Pick<ScopeCharge, "callCost" | "windows">;

interface ScopeState {
  readonly bornMs: number;
  readonly callCost: CallCostState;
  readonly inFlight: number;
  readonly windows: readonly WindowState[];
}

/** A scope as the scripts pack it; null or empty: nothing was counted in it yet. */
function unpackScope(packed: Buffer | null, nowMs: number): ScopeState {
  const windows = Array.from({ length: WINDOWS }, freshWindow);
  const callCost = freshCallCost();
  if (packed === null || packed.length === 0) {
    return { bornMs: nowMs, callCost, inFlight: 0, windows };
  }
  let at = 0;
  const next = () => packed.readDoubleLE(8 * at++);
  const read = (names: readonly Figure[]) => {
    for (const window of windows) for (const name of names) setFigure(window, name, next());
  };
  const inFlight = next();
  read(WARM);
  for (const name of PER_CALL) setCostFigure(callCost, name, next());
  const bornMs = next();
  read(COLD);
  return { bornMs, callCost, inFlight, windows };
}

function setFigure(window: WindowState, name: Figure, figure: number): void {
  if (name === "hot" || name === "wasHot") window[name] = figure === 1;
  else window[name] = figure;
}

function setCostFigure(state: CallCostState, name: keyof CallCostState, figure: number): void {
  if (name === "hot" || name === "wasHot") state[name] = figure === 1;
  else state[name] = figure;
}

/** What a policy sees of a scope: its figures as they were kept, judged at a time. */
export function judgeScope(
  packed: Buffer | null,
  { callCost, windows }: Judging,
  nowMs: number,
): ScopeSnapshot {
  const state = unpackScope(packed, nowMs);
  const judged = windows.map((parameters, position): WindowSnapshot => {
    const window = state.windows[position] as WindowState;
    rollWindow(window, parameters, nowMs);
    return judgeWindow(window, parameters, nowMs, nowMs - state.bornMs);
  });
  rollCallCost(state.callCost, callCost, nowMs);
  return {
    callCost: judgeCallCost(state.callCost, callCost),
    hot: judged.some(({ hot }) => hot),
    inFlight: state.inFlight,
    retryAfterMs: Math.max(0, ...judged.map(({ retryAfterMs }) => retryAfterMs)),
    windows: judged,
  };
}

/** Parameters of a kind of scope, as the scripts unpack them, and their field. */
export interface PackedParameters {
  readonly field: string;
  readonly packed: Buffer;
}

const PACKED = new WeakMap<readonly WindowParameters[], PackedParameters>();

/** A bundle has one list of windows and one cost per call for each kind of scope: they are packed once. */
export function packParameters({ callCost, windows }: Judging): PackedParameters {
  let found = PACKED.get(windows);
  if (found === undefined) {
    const of = (names: readonly Parameter[]) =>
      windows.flatMap((window) => names.map((name) => window[name]));
    const perCall = [callCost.floor, callCost.ratioPercent];
    const figures = [...of(WARM_PARAMETERS), ...perCall, ...of(COLD_PARAMETERS)];
    const packed = Buffer.alloc(figures.length * 8);
    figures.forEach((figure, at) => packed.writeDoubleLE(figure, at * 8));
    found = { field: `w:${hash("sha256", packed).slice(0, 12)}`, packed };
    PACKED.set(windows, found);
  }
  return found;
}
