import type { Clock } from "./ports.ts";

/** A clock that never goes back, from `notBeforeMs` on: what it is asked for decides money windows. */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  #latestMs: number;

  constructor(clock: Clock, notBeforeMs: number) {
    this.#clock = clock;
    this.#latestMs = notBeforeMs;
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  elapsedUs(): number {
    return this.#clock.elapsedUs();
  }
}
