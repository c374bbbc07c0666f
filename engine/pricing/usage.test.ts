import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WeirError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { anyUsage } from "./arbitraries.ts";
import { checkUsage } from "./usage.ts";

function fields(raw: unknown): readonly string[] {
  try {
    checkUsage(raw);
  } catch (thrown) {
    if (!(thrown instanceof WeirError)) throw thrown;
    expect(thrown.code).toBe("report.invalid");
    return thrown.violations.map(({ field }) => field);
  }
  return [];
}

describe("checkUsage", () => {
  it("takes absent counts as 0", () => {
    expect(checkUsage({ input: 25, output: 15 })).toEqual({
      cacheRead: 0,
      cacheWrite1h: 0,
      cacheWrite5m: 0,
      input: 25,
      output: 15,
      reasoning: 0,
    });
  });

  it("passes what is consistent unchanged", () => {
    fc.assert(
      fc.property(anyUsage, (usage) => {
        expect(checkUsage(usage)).toEqual(usage);
      }),
    );
  });

  it.each([
    ["a negative count", { input: -1 }, "usage.input"],
    ["a fraction", { output: 1.5 }, "usage.output"],
    ["more than the limit", { input: LIMITS.reportedTokens + 1 }, "usage.input"],
    ["an undecoded count", { input: "7" }, "usage.input"],
    ["infinity", { output: Number.POSITIVE_INFINITY }, "usage.output"],
    ["cache parts above the input", { cacheRead: 6, cacheWrite5m: 5, input: 10 }, "usage.input"],
    ["hour writes above the input", { cacheWrite1h: 11, input: 10 }, "usage.input"],
    ["reasoning above the output", { output: 3, reasoning: 4 }, "usage.output"],
    ["a list", [], "usage"],
  ])("refuses %s", (_name, raw, field) => {
    expect(fields(raw)).toEqual([field]);
  });

  it("names every wrong field at once", () => {
    expect(fields({ cacheRead: -1, input: 0.5, output: 1, reasoning: 2 })).toEqual([
      "usage.cache_read",
      "usage.input",
      "usage.output",
    ]);
  });
});
