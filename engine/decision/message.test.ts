import { describe, expect, test } from "vitest";

import { engineReason, fillTemplate, formatDuration, renderReasons } from "./message.ts";

describe("templates", () => {
  test("names become parameters; money and durations become words", () => {
    const params = {
      budget: "day",
      cost_micro_usd: 1_234_500,
      free: false,
      left: 3,
      retry_after_ms: 90_000,
    };
    expect(
      fillTemplate("{budget}: {cost_micro_usd}, {left} left, {free}, in {retry_after_ms}", params),
    ).toBe("day: $1.2345, 3 left, false, in 2 min");
  });

  test("an unknown name, and a name that every object has, stay as they are", () => {
    expect(fillTemplate("{none} {constructor} {toString} {__proto__}", {})).toBe(
      "{none} {constructor} {toString} {__proto__}",
    );
  });

  test("a value is never read as a template, nor as a replacement pattern", () => {
    expect(fillTemplate("{a} {b}", { a: "{b}", b: "$& $1 $'" })).toBe("{b} $& $1 $'");
  });

  test("money below zero and a text that ends like money", () => {
    expect(
      fillTemplate("{remaining_micro_usd} {x_micro_usd}", {
        remaining_micro_usd: -50,
        x_micro_usd: "n/a",
      }),
    ).toBe("-$0.00005 n/a");
  });

  test("reasons take the message of their rule, or its name where there is none", () => {
    const finding = { code: "a.b", params: { n: 2 }, rule: "A rule", severity: "info" } as const;
    const rules = {
      "a.b": {
        description: "",
        kind: "deny",
        message: "n is {n}",
        severity: "info",
        title: "A rule",
      },
    };
    expect(renderReasons([finding], rules)).toEqual([{ ...finding, message: "n is 2" }]);
    expect(renderReasons([finding], {})).toEqual([{ ...finding, message: "A rule" }]);
    expect(renderReasons([{ ...finding, code: "constructor" }], {})[0]?.message).toBe("A rule");
  });

  test("who is told no amounts gets the rest", () => {
    const params = { budget: "day", cost_micro_usd: 400_000, resets_in_ms: 60_000 };
    const finding = { code: "a.b", params, rule: "A rule", severity: "info" } as const;
    const message =
      "{budget} resets in {resets_in_ms}; needs {cost_micro_usd}, has {left_micro_usd}";
    const rule = { description: "", kind: "deny", severity: "info", title: "A rule" } as const;
    expect(renderReasons([finding], { "a.b": { ...rule, message } }, false)).toEqual([
      {
        ...finding,
        message: "day resets in 1 min; needs [amount], has [amount]",
        params: { budget: "day", resets_in_ms: 60_000 },
      },
    ]);
  });

  test("reasons of the engine", () => {
    expect(engineReason("policy.fault", { fault: "it broke" })).toMatchObject({
      code: "policy.fault",
      message: expect.stringContaining("it broke") as string,
      severity: "critical",
    });
  });
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1_000, "1 s"],
  [1_549, "1.5 s"],
  [59_949, "59.9 s"],
  [59_999, "1 min"],
  [60_000, "1 min"],
  [60_001, "2 min"],
  [3_600_000, "1 h"],
  [12_000_000, "3 h 20 min"],
  [47 * 3_600_000, "47 h"],
  [49 * 3_600_000, "2 d"],
])("%i ms is %s", (ms, words) => {
  expect(formatDuration(ms)).toBe(words);
});
