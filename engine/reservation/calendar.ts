type CalendarUnit = "hour" | "day" | "week" | "month";

export interface WindowSpan {
  readonly startMs: number;
  readonly endMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// 1970-01-01 was a Thursday; ISO weeks start on Monday.
const FIRST_MONDAY_MS = 4 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

/** The calendar window, in UTC, that holds `nowMs`; the end is exclusive. Weeks start on Monday. */
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

function span(nowMs: number, lengthMs: number, offsetMs: number): WindowSpan {
  const startMs = Math.floor((nowMs - offsetMs) / lengthMs) * lengthMs + offsetMs;
  return { startMs, endMs: startMs + lengthMs };
}
