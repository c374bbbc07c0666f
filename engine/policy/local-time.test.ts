import { describe, expect, test } from "vitest";

import { openLocalTimes } from "./local-time.ts";

const at = (text: string): number => Date.parse(text);

describe("local time", () => {
  const times = openLocalTimes({
    acme: "Europe/Berlin",
    default: "UTC",
    far: "Pacific/Kiritimati",
  });

  test.each([
    ["acme", "2026-07-01T22:30:00Z", { date: "2026-07-02", time: "00:30", weekday: "thu" }],
    ["acme", "2026-12-31T22:59:59.999Z", { date: "2026-12-31", time: "23:59", weekday: "thu" }],
    ["acme", "2026-12-31T23:00:00Z", { date: "2027-01-01", time: "00:00", weekday: "fri" }],
    ["acme", "2026-03-29T00:59:00Z", { date: "2026-03-29", time: "01:59", weekday: "sun" }],
    ["acme", "2026-03-29T01:00:00Z", { date: "2026-03-29", time: "03:00", weekday: "sun" }],
    ["far", "2026-11-25T10:00:00Z", { date: "2026-11-26", time: "00:00", weekday: "thu" }],
    ["globex", "2026-11-25T03:47:00Z", { date: "2026-11-25", time: "03:47", weekday: "wed" }],
  ])("of %s at %s", (tenant, utc, local) => {
    expect(times.at(tenant, at(utc))).toEqual(local);
  });

  test("follows a clock that goes back", () => {
    expect(times.at("globex", at("2026-11-25T12:00:00Z")).time).toBe("12:00");
    expect(times.at("globex", at("2026-11-25T11:59:00Z")).time).toBe("11:59");
  });

  test("is UTC where no zone is named", () => {
    expect(openLocalTimes({}).at("acme", at("2026-11-25T03:47:00Z")).time).toBe("03:47");
  });

  test("of a zone that does not exist is refused", () => {
    expect(() => openLocalTimes({ acme: "Europe/Berlinn" })).toThrow(
      '"Europe/Berlinn" is not a time zone',
    );
  });
});
