import type { Clock } from "./ports.ts";

/** A clock set back by less is waited for. */
const PATIENCE_MS = 3_600_000;

/**
 * A clock that never goes back, from `notBeforeMs` on: what it is asked for decides money windows.
 * Where the clock behind it is set back far it goes on at half pace until that has caught up, since
 * time that stood still would end no hold and no window.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  #latestMs: number;
  /** What the clock behind last showed. */
  #seenMs: number;

  constructor(clock: Clock, notBeforeMs: number) {
    this.#clock = clock;
    this.#latestMs = notBeforeMs;
    this.#seenMs = clock.nowMs();
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    const passedMs = nowMs - this.#seenMs;
    if (nowMs >= this.#latestMs) {
      this.#latestMs = nowMs;
      this.#seenMs = nowMs;
    } else if (passedMs < 0) {
      this.#seenMs = nowMs;
    } else if (passedMs > 1 && this.#latestMs - nowMs > PATIENCE_MS) {
      this.#latestMs += Math.floor(passedMs / 2);
      this.#seenMs = nowMs;
    }
    return this.#latestMs;
  }

  elapsedUs(): number {
    return this.#clock.elapsedUs();
  }
}
