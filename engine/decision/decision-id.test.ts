import { expect, test } from "vitest";

import { decisionId, decisionTimeMs } from "./decision-id.ts";

const RANDOM = "0123456789abcdef0123456789abcdef";

test("an id carries its time and a tag of its tenant, and nothing of the tenant's name", () => {
  const now = Date.UTC(2026, 10, 25, 12);
  const id = decisionId("acme", now, RANDOM);
  expect(id).toMatch(/^d[0-9a-f]{51}$/);
  expect(id.endsWith(RANDOM)).toBe(true);
  expect(decisionTimeMs(id)).toBe(now);
  expect(id.slice(0, 9)).toBe(decisionId("acme", 0, RANDOM).slice(0, 9));
  expect(id.slice(0, 9)).not.toBe(decisionId("acme2", 0, RANDOM).slice(0, 9));
  expect(id).not.toContain("acme");
});

test.each([0, 1, 2 ** 32, Date.UTC(2026, 0), Date.UTC(2400, 0), 2 ** 44 - 1])(
  "time %i comes back",
  (now) => {
    expect(decisionTimeMs(decisionId("t", now, RANDOM))).toBe(now);
  },
);

test.each([
  "",
  "d",
  "x",
  `D${"0".repeat(51)}`,
  `d${"0".repeat(50)}`,
  `d${"0".repeat(52)}`,
  `d${"g".repeat(51)}`,
  `d${"0".repeat(51)}\n`,
])("%j is no id of ours", (id) => {
  expect(decisionTimeMs(id)).toBeNull();
});

test("ids of later times sort after those of earlier ones within a tenant", () => {
  const times = [5, 4_096, 1_795_608_000_000, 1_795_608_000_001];
  const ids = times.map((now) => decisionId("acme", now, RANDOM));
  expect(ids.toSorted()).toEqual(ids);
});
