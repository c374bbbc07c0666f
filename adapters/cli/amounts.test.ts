import { describe, expect, test } from "vitest";
import { formatAmount, parseAmount } from "./amounts.ts";
import { styleOf } from "./style.ts";
import { renderTable } from "./table.ts";
import { parseUntil } from "./until.ts";

const USD = 1;

describe("amounts and times", () => {
  test.each([
    [0, "$0.00"],
    [1, "$0.000001"],
    [999_999, "$0.999999"],
    [1_000_000, "$1.00"],
    [1_234_567_890_000, "$1,234,567.89"],
    [-2_500_000, "-$2.50"],
    [-1, "-$0.000001"],
  ])("%i micro-USD is %s", (amount, text) => {
    expect(formatAmount(amount, USD)).toBe(text);
  });

  test.each([
    ["250", 250_000_000, 1],
    ["$0.5", 500_000, 1],
    ["0.000001 usd", 1, 1],
    ["5000tokens", 5_000, 2],
    ["20 calls", 20, 3],
  ])("%s is taken", (text, amount, unit) => {
    expect(parseAmount(text)).toEqual({ amount, unit });
  });

  test.each([
    "",
    "-1",
    "1e3",
    "1.5calls",
    "$5tokens",
    "1,000",
    "5 EUR",
    "0.0000001",
    "999999999999",
  ])("%j is refused", (text) => {
    expect(() => parseAmount(text)).toThrow("--amount");
  });

  test.each([
    ["90m", 90 * 60_000],
    ["2h", 7_200_000],
    ["3d", 3 * 86_400_000],
    ["1w", 7 * 86_400_000],
    ["1970-01-02", 86_400_000],
    ["1970-01-01T18:00Z", 64_800_000],
    ["1970-01-01T18:00:00+01:00", 61_200_000],
  ])("until %s", (text, ms) => {
    expect(parseUntil(text, 0)).toBe(ms);
  });

  test.each(["", "2", "h", "-2h", "2026-12-01T18:00", "2026-13-01", "tomorrow"])(
    "until %j is refused",
    (text) => {
      expect(() => parseUntil(text, 0)).toThrow("--until");
    },
  );

  test("a table is aligned whatever stands in it, and obeys nothing of it", () => {
    const text = renderTable(
      [{ title: "A" }, { title: "B", right: true }, { title: "C" }],
      [
        ["é\u001b[31m", "1", { text: "x", paint: (word) => `<${word}>` }],
        ["long word", "1,000", ""],
      ],
      styleOf(false),
    );
    expect(text).toBe("A              B  C\né\u{fffd}[31m         1  <x>\nlong word  1,000");
  });
});
