export type CalendarUnit = "hour" | "day" | "week" | "month";

/** From `startMs` to before `endMs`, epoch ms. */
export interface WindowSpan {
  readonly startMs: number;
  readonly endMs: number;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// 1970-01-01 was a Thursday; weeks start on Monday.
const FIRST_MONDAY_MS = 4 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

/** The calendar window, in UTC, that holds `nowMs`. Weeks start on Monday. */
export function calendarWindow(unit: CalendarUnit, nowMs: number): WindowSpan {
  switch (unit) {
    case "hour":
      return span(nowMs, HOUR_MS, 0);
    case "day":
      return span(nowMs, DAY_MS, 0);
    case "week":
      return span(nowMs, WEEK_MS, FIRST_MONDAY_MS);
    case "month": {
      const date = new Date(nowMs);
      const year = date.getUTCFullYear();
      const month = date.getUTCMonth();
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    }
  }
}

/** Calendar windows of one unit in one time zone; remembers the last one. */
export interface Calendar {
  windowAt(nowMs: number): WindowSpan;
}

/**
 * Windows of a time zone, daylight saving included: a day is from local midnight, or the first instant
 * after it where midnight does not exist, to the next; an hour that a clock set back repeats is one
 * window of two hours. Throws RangeError for a zone that is not an IANA name.
 */
export function openCalendar(unit: CalendarUnit, zone: string): Calendar {
  const find =
    zone === "UTC" ? (nowMs: number) => calendarWindow(unit, nowMs) : zonedWindows(unit, zone);
  let last: WindowSpan = { startMs: 0, endMs: 0 };
  return {
    windowAt(nowMs) {
      if (nowMs < last.startMs || nowMs >= last.endMs) last = find(nowMs);
      return last;
    },
  };
}

/** No window of the unit is longer, however the clock is set. */
const LONGEST_MS = {
  hour: 4 * HOUR_MS,
  day: 50 * HOUR_MS,
  week: 9 * DAY_MS,
  month: 34 * DAY_MS,
} as const satisfies Record<CalendarUnit, number>;

/** A window is the stretch around now in which the local clock shows one and the same unit. */
function zonedWindows(unit: CalendarUnit, zone: string): (nowMs: number) => WindowSpan {
  const format = new Intl.DateTimeFormat("en-US", {
    calendar: "gregory",
    day: "numeric",
    hour: "numeric",
    hourCycle: "h23",
    month: "numeric",
    numberingSystem: "latn",
    timeZone: zone,
    year: "numeric",
  });
  const labelAt = (ms: number): number => {
    const fields: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(ms)) fields[type] = Number(value);
    const { day = 1, hour = 0, month = 1, year = 1970 } = fields;
    const date = Math.floor(Date.UTC(year, month - 1, day) / DAY_MS);
    switch (unit) {
      case "hour":
        return date * 24 + hour;
      case "day":
        return date;
      case "week":
        return Math.floor((date - FIRST_MONDAY_MS / DAY_MS) / 7);
      case "month":
        return year * 12 + month;
    }
  };
  return (nowMs) => {
    const label = labelAt(nowMs);
    const isSame = (ms: number) => labelAt(ms) === label;
    const now = Math.floor(nowMs / SECOND_MS);
    const reach = LONGEST_MS[unit] / SECOND_MS;
    const before = lastWhere((second) => !isSame(second * SECOND_MS), now - reach, now);
    const inside = lastWhere((second) => isSame(second * SECOND_MS), now, now + reach);
    return { startMs: (before + 1) * SECOND_MS, endMs: (inside + 1) * SECOND_MS };
  };
}

/** The last whole number from `low` for which the condition holds; it holds at `low` and not at `high`. */
function lastWhere(condition: (value: number) => boolean, low: number, high: number): number {
  let holds = low;
  let fails = high;
  while (fails - holds > 1) {
    const middle = Math.floor((holds + fails) / 2);
    if (condition(middle)) holds = middle;
    else fails = middle;
  }
  return holds;
}

function span(nowMs: number, lengthMs: number, offsetMs: number): WindowSpan {
  const startMs = Math.floor((nowMs - offsetMs) / lengthMs) * lengthMs + offsetMs;
  return { startMs, endMs: startMs + lengthMs };
}
