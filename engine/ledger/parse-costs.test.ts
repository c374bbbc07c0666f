import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { WeirError } from "../errors.ts";
import { parseCosts, type RawCost } from "./parse-costs.ts";

const NOW_MS = Date.UTC(2026, 10, 25, 12);
const COST = {
  attribution: { team: "search" },
  costUsd: "0.000000000001",
  id: "1",
  product: "qdrant:queries",
  source: "db",
  tenant: "acme",
  timeMs: NOW_MS,
};

function violationsOf(raw: unknown, masked: readonly string[] = []): readonly string[] {
  try {
    parseCosts(raw, NOW_MS, masked);
    return [];
  } catch (thrown) {
    const { code, violations } = WeirError.from(thrown);
    expect(code).toBe("ledger.invalid");
    return violations.map(({ description, field }) => `${field}: ${description}`);
  }
}

test("a cost is exact, and in the layer tools unless it says another", () => {
  expect(parseCosts([COST], NOW_MS, [])).toMatchObject([
    { cost_pico_usd: "1", layer: "tools", run: "", time_ms: NOW_MS },
  ]);
  expect(parseCosts([{ ...COST, costUsd: "-2.5" }], NOW_MS, [])).toMatchObject([
    { cost_pico_usd: "-2500000000000" },
  ]);
});

test.each<[RawCost, string]>([
  [{ costUsd: 0.1 }, "events[0].cost_usd: 0.1 is not accepted; accepted is USD as text"],
  [{ costUsd: "1e3" }, 'events[0].cost_usd: "1e3" is not accepted'],
  [{ costUsd: "1000000.000000000001" }, "events[0].cost_usd"],
  [{ product: "qdrant" }, 'events[0].product: "qdrant" is not of the form "provider:product"'],
  [{ timeMs: NOW_MS + 172_800_000 }, "events[0].time: 2026-11-27T12:00:00.000Z is not accepted"],
  [{ timeMs: 0 }, "events[0].time: 1970-01-01T00:00:00.000Z is not accepted"],
  [{ layer: "gpu" }, 'events[0].layer: "gpu" is not accepted; accepted are inference,'],
  [{ attribution: { squad: "a" } }, "events[0].attribution.squad: no such field"],
  [{ quantity: "many" }, 'events[0].quantity: "many" is no decimal number'],
  [{ id: "" }, "events[0].id: missing"],
  [{ tenant: "" }, "events[0].tenant: missing"],
])("refuses %j", (wrong, wanted) => {
  const [first = ""] = violationsOf([{ ...COST, ...wrong }]);
  expect(first).toContain(wanted);
});

test("a field that calls mask cannot be named in the clear", () => {
  const named = [{ ...COST, attribution: { user: "ada" } }];
  expect(violationsOf(named, ["attribution.user"])).toEqual([
    "events[0].attribution.user: the bundle masks this field, so a cost may not name it",
  ]);
  expect(violationsOf(named)).toEqual([]);
});

test("at most so many come at once", () => {
  const many = Array.from({ length: LIMITS.costEvents }, (_, index) => ({
    ...COST,
    id: `${index}`,
  }));
  expect(parseCosts(many, NOW_MS, [])).toHaveLength(LIMITS.costEvents);
  expect(violationsOf([...many, COST])).toEqual(["events: 201 events; 1 to 200 are accepted"]);
  expect(violationsOf([])).toEqual(["events: 0 events; 1 to 200 are accepted"]);
});
