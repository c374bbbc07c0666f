import { performance } from "node:perf_hooks";

import type { Clock } from "../../engine/ports.ts";

/** The clock of the machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedUs: () => performance.now() * 1_000,
};

/** A clock that moves only when told: for the demo, tests and replay. */
export class SteppedClock implements Clock {
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  elapsedUs(): number {
    return performance.now() * 1_000;
  }

  /** Moves to a time; earlier than now is allowed, as a real clock may step back. */
  set(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
