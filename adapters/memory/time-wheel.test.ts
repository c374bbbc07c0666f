import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { TimeWheel } from "./time-wheel.ts";

function drained(wheel: TimeWheel, nowMs: number, most = Number.POSITIVE_INFINITY): string[] {
  const taken: string[] = [];
  wheel.drain(nowMs, (key) => {
    if (taken.length >= most) return false;
    taken.push(key);
    return true;
  });
  return taken;
}

describe("time wheel", () => {
  test("hands out a key once its slot has ended, never early, once", () => {
    const wheel = new TimeWheel(1_000);
    wheel.add(5_500, "a");
    expect(drained(wheel, 5_500)).toEqual([]);
    expect(drained(wheel, 5_999)).toEqual([]);
    expect(drained(wheel, 6_000)).toEqual(["a"]);
    expect(drained(wheel, 9_000)).toEqual([]);
  });

  test("earlier slots come first, and a key that was not taken comes again", () => {
    const wheel = new TimeWheel(1_000);
    wheel.add(9_000, "late");
    wheel.add(1_000, "early");
    wheel.add(4_000, "middle");
    expect(drained(wheel, 20_000, 1)).toEqual(["early"]);
    expect(drained(wheel, 20_000, 1)).toEqual(["middle"]);
    expect(drained(wheel, 20_000)).toEqual(["late"]);
  });

  test("a key added in the past, and a clock that steps back", () => {
    const wheel = new TimeWheel(1_000);
    wheel.add(90_000, "a");
    expect(drained(wheel, 91_000)).toEqual(["a"]);
    wheel.add(3_000, "old");
    expect(drained(wheel, 2_000)).toEqual([]);
    expect(drained(wheel, 91_000)).toEqual(["old"]);
  });

  test("a gap of years costs no walk over it", () => {
    const wheel = new TimeWheel(1_000);
    wheel.add(0, "a");
    wheel.add(Date.UTC(2026, 10, 25), "b");
    let calls = 0;
    wheel.drain(Date.UTC(2027, 0), () => {
      calls += 1;
      return true;
    });
    expect(calls).toBe(2);
  });

  test("like a sorted list, whatever comes in whatever order", () => {
    const step = fc.record({
      add: fc.array(fc.nat(100_000), { maxLength: 5 }),
      most: fc.nat(8),
      now: fc.nat(100_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const wheel = new TimeWheel(1_000);
        const waiting = new Map<string, number>();
        let count = 0;
        for (const { add, most, now } of steps) {
          for (const dueMs of add) {
            count += 1;
            wheel.add(dueMs, `k${count}`);
            waiting.set(`k${count}`, dueMs);
          }
          const due = [...waiting].filter(
            ([, dueMs]) => Math.floor(dueMs / 1_000) < Math.floor(now / 1_000),
          );
          const taken = drained(wheel, now, most);
          expect(taken).toHaveLength(Math.min(most, due.length));
          const slots = taken.map((key) => Math.floor((waiting.get(key) as number) / 1_000));
          expect(slots.toSorted((one, other) => one - other)).toEqual(slots);
          for (const key of taken) {
            expect(due.some(([name]) => name === key)).toBe(true);
            waiting.delete(key);
          }
        }
      }),
      { numRuns: 300, seed: 20_261_125 },
    );
  });
});
