import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  ceilDiv,
  costMicroUsd,
  floorDiv,
  formatMicroUsd,
  nanoFromMicroUsd,
  postedNanoUsd,
  remainingMicroUsd,
  safeNumber,
} from "./money.ts";

const RUNS = { numRuns: 2_000, seed: 20_261_125 };
const amount = fc.bigInt({ max: 10n ** 24n, min: -(10n ** 24n) });
const divisor = fc.bigInt({ max: 10n ** 12n, min: 1n });

describe("rounding", () => {
  test("up and down are the nearest whole number on their side, of either sign", () => {
    fc.assert(
      fc.property(amount, divisor, (dividend, by) => {
        const up = ceilDiv(dividend, by);
        const down = floorDiv(dividend, by);
        expect(up * by >= dividend && (up - 1n) * by < dividend).toBe(true);
        expect(down * by <= dividend && (down + 1n) * by > dividend).toBe(true);
      }),
      RUNS,
    );
  });

  test.each([
    [0n, 0n],
    [1n, 1n],
    [999n, 1n],
    [1_000n, 1n],
    [1_001n, 2n],
    [10n ** 27n + 1n, 10n ** 24n + 1n],
  ])("%i pico-USD post %i nano-USD", (pico, nano) => {
    expect(postedNanoUsd(pico)).toBe(nano);
  });

  test("a cost is never shown smaller, a rest never larger than it is", () => {
    expect([costMicroUsd(1n), costMicroUsd(1_000n), costMicroUsd(1_001n)]).toEqual([1, 1, 2]);
    expect([remainingMicroUsd(999n), remainingMicroUsd(1_000n), remainingMicroUsd(-1n)]).toEqual([
      0, 1, -1,
    ]);
  });

  test("figures beyond 2^53 saturate; balances never become numbers", () => {
    expect(safeNumber(2n ** 53n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(safeNumber(-(2n ** 53n))).toBe(-Number.MAX_SAFE_INTEGER);
    expect(safeNumber(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(nanoFromMicroUsd(9_000_000_000_000_000)).toBe(9n * 10n ** 18n);
    expect(nanoFromMicroUsd(9_000_000_000_000_000) < 2n ** 63n).toBe(true);
  });
});

test.each([
  [0, "$0.00"],
  [1, "$0.000001"],
  [10_000, "$0.01"],
  [1_234_567, "$1.234567"],
  [1_500_000, "$1.50"],
  [-50, "-$0.00005"],
  [9_000_000_000_000_000, "$9000000000.00"],
])("%i micro-USD is written %s", (micro, text) => {
  expect(formatMicroUsd(micro)).toBe(text);
});
