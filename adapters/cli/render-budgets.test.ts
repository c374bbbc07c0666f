import { expect, test } from "vitest";
import { weir } from "../../proto/gen/weir.js";
import { renderBudgets } from "./render-budgets.ts";
import { styleOf } from "./style.ts";

const USD = weir.v1.BudgetUnit.BUDGET_UNIT_USD;

/** The used share as it is shown of so much of 1,000 USD. */
function shareOf(usedMicroUsd: number): string | undefined {
  const limit = 1_000_000_000;
  const instance = {
    budget: "day",
    endsAtMs: 0,
    held: 0,
    limit,
    per: {},
    remaining: limit - usedMicroUsd,
    settled: usedMicroUsd,
    unit: USD,
    usedPercent: Math.ceil((usedMicroUsd * 100) / limit),
  };
  const list = { definitions: [], grants: [], instances: [instance], nowMs: 1, total: 1 };
  const shown = renderBudgets(list as unknown as weir.v1.ListBudgetsResponse, styleOf(false));
  return /\S+%/.exec(shown)?.[0];
}

test("a budget is shown as used in whole only once it is", () => {
  const shares = [0, 1, 9_999_999, 10_000_000, 500_000_001, 990_000_001, 999_999_999];
  expect(shares.map(shareOf)).toEqual(["0%", "<1%", "<1%", "1%", "51%", ">99%", ">99%"]);
  expect([1_000_000_000, 1_000_000_001, 2_000_000_000].map(shareOf)).toEqual([
    "100%",
    "101%",
    "200%",
  ]);
});
