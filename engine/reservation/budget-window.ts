import { LIMITS } from "../limits.ts";
import type { BudgetData } from "../policy/bundle-data.ts";
import { openCalendar } from "./calendar.ts";
import type { Hold } from "./reservation.ts";

/** Which counter a call at a time falls under, for the owner of an instance. */
export type Windowing = (
  owner: string,
  nowMs: number,
) => Pick<Hold, "instance" | "endsAtMs"> & Partial<Pick<Hold, "rolling">>;

/** Prepares a checked window; `keyPrefix` starts every counter key of the budget. */
export function planWindow(window: BudgetData["window"], keyPrefix: string): Windowing {
  switch (window.kind) {
    case "run":
      return (owner) => ({ endsAtMs: 0, instance: `${keyPrefix}|run${owner}` });
    case "calendar": {
      const calendar = openCalendar(window.unit, window.zone);
      return (owner, nowMs) => {
        const { endMs, startMs } = calendar.windowAt(nowMs);
        return { endsAtMs: endMs, instance: `${keyPrefix}|${startMs}${owner}` };
      };
    }
    case "rolling":
      return planRolling(window.seconds * 1_000, keyPrefix);
  }
}

/** A part of the window leaves only when it is wholly outside, so a rolling budget never over-admits. */
function planRolling(windowMs: number, keyPrefix: string): Windowing {
  const bucketMs = Math.ceil(windowMs / LIMITS.rollingBuckets);
  return (owner, nowMs) => {
    const base = `${keyPrefix}${owner}|`;
    const first = Math.floor((nowMs - windowMs) / bucketMs);
    const last = Math.floor(nowMs / bucketMs);
    const endsAtMs = (last + 1) * bucketMs + windowMs;
    return { endsAtMs, instance: `${base}${last}`, rolling: { base, first, last } };
  };
}
