import { describe, expect, test } from "vitest";

import type { WeirError } from "../errors.ts";
import { parseIntent } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";
import type { BudgetData } from "../policy/bundle-data.ts";
import type { Estimate } from "../pricing/estimate.ts";
import { matchHolds, planBudgets } from "./budgets.ts";

const BUDGET: BudgetData = {
  id: "b",
  limit: 10,
  match: {},
  mode: "hard",
  per: [],
  tenant: "acme",
  unit: "usd",
  window: { kind: "calendar", unit: "day", zone: "UTC" },
};
const ESTIMATE = {
  answers: 2,
  ceilingPicoUsd: 3_001n,
  expectedPicoUsd: 1_001n,
  inputTokensP95: 50,
  outputTokensCap: 10,
  p95PicoUsd: 2_001n,
} as Estimate;
const NOW = Date.UTC(2026, 10, 25, 12);

function holds(change: Partial<BudgetData>, attribution: object = {}, run = "", model = "a:b") {
  const raw = {
    attribution: { tenant: "acme", ...attribution },
    id: "i",
    model: "x:asked",
    operation: "chat",
    run: { id: run },
    tokens: { input: 1 },
  };
  return matchHolds(
    planBudgets([{ ...BUDGET, ...change }]),
    parseIntent(raw, "p"),
    model,
    ESTIMATE,
    NOW,
  );
}

describe("a budget", () => {
  test.each([
    [{ limit: -5 }, "limit"],
    [{ limit: 1.5 }, "limit"],
    [{ limit: LIMITS.budgetMicroUsd + 2 }, "limit"],
    [{ limit: Number.NaN }, "limit"],
    [{ limit: "10" as never }, "limit"],
    [{ unit: "eur" as never }, "unit"],
    [{ mode: "firm" as never }, "mode"],
    [{ reserve: "all" as never }, "reserve"],
    [{ on_expiry: "keep" as never }, "on_expiry"],
    [{ on_state_loss: "maybe" as never }, "on_state_loss"],
    [{ match: { colour: "red" } }, "match.colour"],
    [{ per: ["colour" as never] }, "per"],
    [{ window: { kind: "calendar", unit: "fortnight", zone: "UTC" } as never }, "window.unit"],
    [{ window: { kind: "calendar", unit: "day", zone: "Mars" } as never }, "window.zone"],
    [{ window: { kind: "sometimes" } as never }, "window.kind"],
    [{ window: undefined as never }, "window.kind"],
    [{ id: "" }, "id"],
    [{ tenant: "" }, "tenant"],
    [{ per: undefined as never }, "per"],
    [{ per: "user" as never }, "per"],
    [{ match: undefined as never }, "match"],
    [{ match: { team: 7 as never } }, "match.team"],
  ] as const)("%j is refused at load, by its path", (change, field) => {
    let error: WeirError | undefined;
    try {
      planBudgets([BUDGET, { ...BUDGET, id: "second", ...(change as Partial<BudgetData>) }]);
    } catch (thrown) {
      error = thrown as WeirError;
    }
    expect(error).toMatchObject({ code: "bundle.invalid" });
    expect(error?.violations.map((violation) => violation.field)).toContain(
      `config.budgets[1].${field}`,
    );
  });

  test("the same id twice in one tenant is refused, in two it is not", () => {
    expect(() => planBudgets([BUDGET, BUDGET])).toThrow(
      expect.objectContaining({ code: "bundle.invalid" }),
    );
    expect(() => planBudgets([BUDGET, { ...BUDGET, tenant: "globex" }])).not.toThrow();
  });

  test("limit 0 is accepted, and so is the largest", () => {
    for (const limit of [0, LIMITS.budgetMicroUsd]) {
      expect(holds({ limit })[0]?.limit).toBe(BigInt(limit) * 1_000n);
    }
  });

  test("what is held: the ceiling of hard ones, p95 of soft ones, what is said, in the unit", () => {
    const amounts = (change: Partial<BudgetData>) =>
      holds(change).map(({ amount, onExpiryAmount }) => [amount, onExpiryAmount]);
    expect(amounts({})).toEqual([[4n, 0n]]);
    expect(amounts({ mode: "soft" })).toEqual([[3n, 0n]]);
    expect(amounts({ reserve: "expected" })).toEqual([[2n, 0n]]);
    expect(amounts({ on_expiry: "charge_held" })).toEqual([[4n, 4n]]);
    expect(amounts({ on_expiry: "charge_expected" })).toEqual([[4n, 2n]]);
    expect(amounts({ unit: "tokens" })).toEqual([[70n, 0n]]);
    expect(amounts({ on_expiry: "charge_held", unit: "calls" })).toEqual([[1n, 1n]]);
  });

  test("matches its tenant, every selector, and the model judged rather than the one asked for", () => {
    expect(holds({ tenant: "globex" })).toEqual([]);
    expect(holds({ match: { team: ["a", "b"] } }, { team: "b" })).toHaveLength(1);
    expect(holds({ match: { team: ["a", "b"] } }, { team: "c" })).toEqual([]);
    expect(holds({ match: { operation: "chat", team: "a" } }, { team: "a" })).toHaveLength(1);
    expect(holds({ match: { operation: "tool", team: "a" } }, { team: "a" })).toEqual([]);
    expect(holds({ match: { model: "a:b" } })).toHaveLength(1);
    expect(holds({ match: { model: "x:asked" } })).toEqual([]);
  });

  test("one instance per value; calls without the value share one", () => {
    const instance = (user: string) =>
      holds({ per: ["user"] }, { user }).map((hold) => hold.instance);
    expect(instance("")).toHaveLength(1);
    expect(instance("")).not.toEqual(instance("ada"));
    expect(instance("ada")).not.toEqual(instance("bo"));
    expect(holds({ per: ["run"], window: { kind: "run" } }, {}, "")).toEqual([]);
    expect(holds({ per: ["run"], window: { kind: "run" } }, {}, "r")).toMatchObject([
      { endsAtMs: 0 },
    ]);
  });

  test("no two values make one counter, whatever characters they hold", () => {
    const keys = new Set<string>();
    const values = ["a", "a|b", "b", "a%7Cb", "|", "%", "a\u00e9", "ae\u0301"];
    for (const user of values) {
      for (const customer of values) {
        for (const { instance } of holds({ per: ["user", "customer"] }, { customer, user }))
          keys.add(instance);
      }
    }
    expect(keys.size).toBe(values.length ** 2);
  });

  test("its counter is another one where unit, selector, window or instance changes, and the same where the limit does", () => {
    const key = (change: Partial<BudgetData>) =>
      holds(change, { team: "a", user: "u" })[0]?.instance;
    expect(key({ limit: 999, mode: "soft" })).toBe(key({}));
    const others: Partial<BudgetData>[] = [
      { unit: "calls" },
      { match: { team: "a" } },
      { window: { kind: "calendar", unit: "month", zone: "UTC" } },
      { per: ["user"] },
      { id: "other" },
    ];
    expect(new Set([key({}), ...others.map(key)]).size).toBe(others.length + 1);
  });

  test("more matching one intent than accepted is refused", () => {
    const many = Array.from({ length: LIMITS.budgetsPerIntent + 1 }, (_, index) => ({
      ...BUDGET,
      id: `b${index}`,
    }));
    const intent = parseIntent(
      {
        attribution: { tenant: "acme" },
        id: "i",
        model: "a:b",
        operation: "chat",
        tokens: { input: 1 },
      },
      "p",
    );
    expect(() => matchHolds(planBudgets(many), intent, "a:b", ESTIMATE, NOW)).toThrow(
      "65 budgets match one intent",
    );
    expect(matchHolds(planBudgets(many.slice(1)), intent, "a:b", ESTIMATE, NOW)).toHaveLength(64);
  });
});
