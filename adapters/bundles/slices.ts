import { setImmediate as turn } from "node:timers/promises";

/** Longest stretch of work between two decisions while a bundle is made ready. */
const SLICE_MS = 1;

/** Runs steps to their end; decisions are made in between. */
export async function inSlices<Result>(steps: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const untilMs = performance.now() + SLICE_MS;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
    } while (performance.now() < untilMs);
    await turn();
  }
}
