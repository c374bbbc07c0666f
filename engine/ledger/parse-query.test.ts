import { describe, expect, test } from "vitest";

import { LIMITS } from "../limits.ts";
import { pageToken, parseClose, parseList, parseSummary } from "./parse-query.ts";

const values = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);
const violationsOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (thrown) {
    return (thrown as { readonly violations: unknown }).violations;
  }
  return [];
};

describe("a list", () => {
  test("takes a page of the largest size, and no larger one", () => {
    expect(parseList({ pageSize: LIMITS.ledgerPage }).query.limit).toBe(LIMITS.ledgerPage);
    expect(violationsOf(() => parseList({ pageSize: LIMITS.ledgerPage + 1 }))).toEqual([
      { description: "1001 is not a whole number from 0 to 1000", field: "page_size" },
    ]);
    expect(parseList({}).query.limit).toBe(100);
  });

  test("takes so many values of a field, and so many fields, and no more", () => {
    const of = (count: number) => ({ match: [{ field: "team", values: values(count) }] });
    expect(parseList(of(LIMITS.ledgerMatches)).filter.dimensions.team).toHaveLength(32);
    expect(violationsOf(() => parseList(of(LIMITS.ledgerMatches + 1)))).toEqual([
      { description: "1 to 32 values are accepted", field: "match[0].values" },
    ]);
    const fields = values(LIMITS.ledgerMatches + 1).map(() => ({ field: "team", values: ["a"] }));
    expect(violationsOf(() => parseList({ match: fields }))).toEqual([
      { description: "at most 32 fields are accepted", field: "match" },
    ]);
  });

  test("goes on where the token of a page says", () => {
    const key = { bookedMs: 1_764_000_000_000, part: 1, sequence: 42, writer: "w1" };
    expect(parseList({ pageToken: pageToken(key) }).query.after).toEqual(key);
  });

  test("names every wrong field at once", () => {
    const raw = { fromMs: 5, kinds: ["sold"], match: [{ field: "teem", values: [1] }], toMs: 5 };
    expect(violationsOf(() => parseList(raw))).toEqual([
      expect.objectContaining({ field: "to_ms" }),
      expect.objectContaining({ field: "match[0].field" }),
      { description: "1 is not a string", field: "match[0].values" },
      expect.objectContaining({ field: "kinds[0]" }),
    ]);
  });
});

test("a summary is by whole hours", () => {
  expect(parseSummary({ fromMs: 3_600_000, groupBy: ["team", "team"] }).query.groupBy).toEqual([
    "team",
  ]);
  expect(violationsOf(() => parseSummary({ fromMs: 3_600_001 }))).toEqual([
    { description: "3600001 is not a whole hour; sums are by the hour", field: "from_ms" },
  ]);
});

test.each([
  ["2026-11", "2026-11 is not over; it ends at 2026-12-01T00:00:00.000Z"],
  ["2026-1", '"2026-1" is not a month of the form "YYYY-MM"'],
  ["2026-13", '"2026-13" is not a month of the form "YYYY-MM"'],
])("%s is no month to close", (month, description) => {
  const nowMs = Date.UTC(2026, 10, 25);
  expect(violationsOf(() => parseClose({ month, reason: "r", tenant: "acme" }, nowMs))).toEqual([
    { description, field: "month" },
  ]);
  expect(parseClose({ month: "2026-10", reason: "r", tenant: "acme" }, nowMs)).toMatchObject({
    fromMs: Date.UTC(2026, 9, 1),
    toMs: Date.UTC(2026, 10, 1),
  });
});
