import type { LogLine } from "./record.ts";

/** How far the log's order may stray from the store's: more decisions than are ever in flight. */
const WINDOW = 16_384;

/**
 * Log lines in the order in which the store made their changes. Decisions that overlap reach the log
 * in another order than they reserved in; lines without a change keep their place after the latest change
 * before them, so they keep their own order: a freeze and its lifting, a grant.
 */
export function* inStateOrder<Line extends LogLine>(lines: Iterable<Line>): Generator<Line> {
  let waiting: { readonly line: Line; readonly sequence: number }[] = [];
  let latest = 0;
  const emit = function* (count: number) {
    waiting.sort((one, other) => one.sequence - other.sequence);
    for (const { line } of waiting.slice(0, count)) yield line;
    waiting = waiting.slice(count);
  };
  for (const line of lines) {
    const sequence = stateSequence(line);
    if (sequence !== null && sequence > latest) latest = sequence;
    waiting.push({ line, sequence: sequence ?? latest });
    if (waiting.length >= 2 * WINDOW) yield* emit(WINDOW);
  }
  yield* emit(waiting.length);
}

/** Place of a line's change in the store's order; null where it makes none. */
export function stateSequence(line: LogLine): number | null {
  const sequence =
    line.kind === "decision"
      ? line.reservation.state_sequence
      : line.kind === "entry"
        ? line.state_sequence
        : 0;
  return sequence === 0 ? null : sequence;
}
