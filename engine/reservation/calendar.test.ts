import { describe, expect, test } from "vitest";

import { calendarWindow } from "./calendar.ts";

const at = (text: string): number => Date.parse(text);
const UNITS = ["hour", "day", "week", "month"] as const;

function windowOf(unit: (typeof UNITS)[number], text: string): readonly [string, string] {
  const { endMs, startMs } = calendarWindow(unit, at(text));
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
}

describe("calendar windows in UTC", () => {
  test.each([
    ["month", "2026-11-25T12:34:56.789Z", "2026-11-01", "2026-12-01"],
    ["month", "2026-12-31T23:59:59.999Z", "2026-12-01", "2027-01-01"],
    ["month", "2027-01-01T00:00:00.000Z", "2027-01-01", "2027-02-01"],
    ["month", "2026-01-31T00:00:00.000Z", "2026-01-01", "2026-02-01"],
    ["month", "2026-02-28T23:59:59.999Z", "2026-02-01", "2026-03-01"],
    ["month", "2028-02-29T23:59:59.999Z", "2028-02-01", "2028-03-01"],
    ["month", "2100-02-28T23:59:59.999Z", "2100-02-01", "2100-03-01"],
    ["month", "2000-02-29T12:00:00.000Z", "2000-02-01", "2000-03-01"],
    ["day", "2028-02-29T00:00:00.000Z", "2028-02-29", "2028-03-01"],
    ["day", "2026-11-25T23:59:59.999Z", "2026-11-25", "2026-11-26"],
    // Clocks of Europe and America change on these days; UTC does not.
    ["day", "2026-03-29T02:30:00.000Z", "2026-03-29", "2026-03-30"],
    ["day", "2026-11-01T06:30:00.000Z", "2026-11-01", "2026-11-02"],
    ["week", "2026-11-23T00:00:00.000Z", "2026-11-23", "2026-11-30"],
    ["week", "2026-11-29T23:59:59.999Z", "2026-11-23", "2026-11-30"],
    // ISO week 53 of 2026 goes into 2027; week 1 of 2025 began in 2024.
    ["week", "2027-01-01T12:00:00.000Z", "2026-12-28", "2027-01-04"],
    ["week", "2024-12-31T12:00:00.000Z", "2024-12-30", "2025-01-06"],
    ["week", "1970-01-01T00:00:00.000Z", "1969-12-29", "1970-01-05"],
  ] as const)("%s of %s", (unit, now, start, end) => {
    expect(windowOf(unit, now)).toEqual([`${start}T00:00:00.000Z`, `${end}T00:00:00.000Z`]);
  });

  test("an hour", () => {
    expect(windowOf("hour", "2026-11-25T12:59:59.999Z")).toEqual([
      "2026-11-25T12:00:00.000Z",
      "2026-11-25T13:00:00.000Z",
    ]);
  });

  test.each(UNITS)(
    "%s: the windows of a century follow one another without gap or overlap",
    (unit) => {
      let { endMs } = calendarWindow(unit, at("1999-06-15T00:00:00Z"));
      for (let count = 0; count < 1_300; count += 1) {
        const next = calendarWindow(unit, endMs);
        expect(next.startMs).toBe(endMs);
        expect(calendarWindow(unit, endMs - 1).endMs).toBe(endMs);
        expect(calendarWindow(unit, next.endMs - 1)).toEqual(next);
        if (unit === "week") expect(new Date(next.startMs).getUTCDay()).toBe(1);
        if (unit === "month") expect(new Date(next.startMs).getUTCDate()).toBe(1);
        ({ endMs } = next);
      }
    },
  );
});
