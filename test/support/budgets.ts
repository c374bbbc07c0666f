import type { BudgetData } from "../../engine/policy/bundle-data.ts";

/** A hard money budget of tenant acme for a day, over every call. */
export function budgetOf(id: string, change: Partial<BudgetData> = {}): BudgetData {
  return {
    id,
    limit: 1_000_000,
    match: {},
    mode: "hard",
    per: [],
    tenant: "acme",
    unit: "usd",
    window: { kind: "calendar", unit: "day", zone: "UTC" },
    ...change,
  };
}

/** One budget of every kind, small enough that traffic runs into them. */
export const EVERY_KIND: readonly BudgetData[] = [
  budgetOf("day", { limit: 900_000 }),
  budgetOf("search-hour", {
    limit: 300_000,
    match: { team: "search" },
    window: { kind: "calendar", unit: "hour", zone: "UTC" },
  }),
  budgetOf("month-soft", {
    limit: 100_000,
    mode: "soft",
    window: { kind: "calendar", unit: "month", zone: "UTC" },
  }),
  budgetOf("user-week", {
    limit: 150_000,
    on_expiry: "charge_held",
    per: ["user"],
    window: { kind: "calendar", unit: "week", zone: "UTC" },
  }),
  budgetOf("run", {
    limit: 60_000,
    on_expiry: "charge_expected",
    per: ["run"],
    window: { kind: "run" },
  }),
  budgetOf("rolling", { limit: 200_000, window: { kind: "rolling", seconds: 600 } }),
  budgetOf("berlin", {
    limit: 800_000,
    window: { kind: "calendar", unit: "day", zone: "Europe/Berlin" },
  }),
  budgetOf("calls", {
    limit: 400,
    unit: "calls",
    window: { kind: "calendar", unit: "hour", zone: "UTC" },
  }),
  budgetOf("tokens", { limit: 2_000_000, mode: "soft", reserve: "expected", unit: "tokens" }),
  budgetOf("opus", {
    limit: 50_000,
    match: { model: ["anthropic:claude-opus-5-5", "openai:gpt-6.1-sol"] },
  }),
];

/** Velocity data of a bundle in which budgets alone judge. */
export const NO_VELOCITY = { report_percent: 0, scopes: {} };
