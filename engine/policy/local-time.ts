import { WeirError } from "../errors.ts";

/** What the clock on the wall of a tenant shows; texts of one form compare as times do. */
export interface LocalTime {
  /** "2026-11-25". */
  readonly date: string;
  /** "00:00" to "23:59". */
  readonly time: string;
  readonly weekday: (typeof WEEKDAYS)[number];
}

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

export interface LocalTimes {
  /** Local time of a tenant at `nowMs` (epoch ms), daylight saving included. */
  at(tenant: string, nowMs: number): LocalTime;
}

const MINUTE_MS = 60_000;

/**
 * Local times by tenant; `zones` holds IANA names, "default" stands for every other tenant. Remembers
 * the current minute of each zone. Throws `bundle.invalid` for a zone that does not exist.
 */
export function openLocalTimes(zones: Readonly<Record<string, string>>): LocalTimes {
  const clocks = new Map(Object.entries(zones).map(([tenant, zone]) => [tenant, openZone(zone)]));
  const fallback = clocks.get("default") ?? openZone("UTC");
  return { at: (tenant, nowMs) => (clocks.get(tenant) ?? fallback)(nowMs) };
}

function openZone(zone: string): (nowMs: number) => LocalTime {
  const format = formatOf(zone);
  let minute = Number.NaN;
  let local: LocalTime = { date: "", time: "", weekday: "mon" };
  return (nowMs) => {
    const now = Math.floor(nowMs / MINUTE_MS);
    if (now !== minute) {
      minute = now;
      local = localTime(format, now * MINUTE_MS);
    }
    return local;
  };
}

function formatOf(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en-US", {
      calendar: "gregory",
      day: "2-digit",
      hour: "2-digit",
      hourCycle: "h23",
      minute: "2-digit",
      month: "2-digit",
      numberingSystem: "latn",
      timeZone: zone,
      weekday: "short",
      year: "numeric",
    });
  } catch (cause) {
    throw new WeirError("bundle.invalid", `"${zone}" is not a time zone such as "Europe/Berlin"`, {
      cause,
    });
  }
}

function localTime(format: Intl.DateTimeFormat, atMs: number): LocalTime {
  const shown = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => shown.get(type) ?? "";
  const weekday = part("weekday").toLowerCase() as LocalTime["weekday"];
  return {
    date: `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`,
    time: `${part("hour")}:${part("minute")}`,
    weekday,
  };
}
