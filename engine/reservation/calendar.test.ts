import { describe, expect, test } from "vitest";

import { calendarWindow, openCalendar } from "./calendar.ts";

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

describe("calendar windows in a time zone", () => {
  const zoned = (unit: (typeof UNITS)[number], zone: string, text: string) => {
    const { endMs, startMs } = openCalendar(unit, zone).windowAt(at(text));
    return [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
  };

  test.each([
    [
      "an ordinary day",
      "day",
      "Europe/Berlin",
      "2026-11-25T12:00:00Z",
      "2026-11-24T23:00",
      "2026-11-25T23:00",
    ],
    [
      "the day before local midnight",
      "day",
      "Europe/Berlin",
      "2026-11-25T22:59:59.999Z",
      "2026-11-24T23:00",
      "2026-11-25T23:00",
    ],
    [
      "a day of 23 hours",
      "day",
      "Europe/Berlin",
      "2026-03-29T12:00:00Z",
      "2026-03-28T23:00",
      "2026-03-29T22:00",
    ],
    [
      "a day of 25 hours",
      "day",
      "Europe/Berlin",
      "2026-10-25T12:00:00Z",
      "2026-10-24T22:00",
      "2026-10-25T23:00",
    ],
    [
      "a day whose midnight does not exist",
      "day",
      "Africa/Cairo",
      "2026-04-24T12:00:00Z",
      "2026-04-23T22:00",
      "2026-04-24T21:00",
    ],
    [
      "an hour at half past UTC",
      "hour",
      "Asia/Kolkata",
      "2026-11-25T12:00:00Z",
      "2026-11-25T11:30",
      "2026-11-25T12:30",
    ],
    [
      "an hour the clock repeats",
      "hour",
      "America/New_York",
      "2026-11-01T06:30:00Z",
      "2026-11-01T05:00",
      "2026-11-01T07:00",
    ],
    [
      "the hour after one that was skipped",
      "hour",
      "America/New_York",
      "2026-03-08T07:30:00Z",
      "2026-03-08T07:00",
      "2026-03-08T08:00",
    ],
    [
      "a week over a clock change",
      "week",
      "America/New_York",
      "2026-11-01T12:00:00Z",
      "2026-10-26T04:00",
      "2026-11-02T05:00",
    ],
    [
      "a month over a clock change",
      "month",
      "Europe/Berlin",
      "2026-10-31T23:30:00Z",
      "2026-10-31T23:00",
      "2026-11-30T23:00",
    ],
    [
      "a month east of UTC",
      "month",
      "Pacific/Kiritimati",
      "2026-12-31T11:00:00Z",
      "2026-12-31T10:00",
      "2027-01-31T10:00",
    ],
  ] as const)("%s", (_name, unit, zone, now, start, end) => {
    expect(zoned(unit, zone, now)).toEqual([`${start}:00.000Z`, `${end}:00.000Z`]);
  });

  test("follow one another without a gap, through a year of clock changes", () => {
    for (const zone of [
      "Europe/Berlin",
      "America/Santiago",
      "Australia/Lord_Howe",
      "Asia/Kolkata",
    ]) {
      for (const unit of UNITS) {
        const calendar = openCalendar(unit, zone);
        let nowMs = at("2026-03-01T00:00:00Z");
        for (let count = 0; count < 60; count += 1) {
          const { endMs, startMs } = calendar.windowAt(nowMs);
          expect(calendar.windowAt(endMs - 1)).toEqual({ endMs, startMs });
          expect(openCalendar(unit, zone).windowAt(endMs).startMs).toBe(endMs);
          nowMs = endMs;
        }
      }
    }
  });

  test("a zone in UTC's name is the plain arithmetic", () => {
    for (const unit of UNITS) {
      for (const text of [
        "2026-11-25T12:34:56.789Z",
        "2028-02-29T00:00:00Z",
        "2026-12-31T23:59:59.999Z",
      ]) {
        expect(openCalendar(unit, "Etc/UTC").windowAt(at(text))).toEqual(
          calendarWindow(unit, at(text)),
        );
      }
    }
  });
});
