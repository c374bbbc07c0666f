import { describe, expect, test } from "vitest";

import { changedFiles } from "../../test/support/bundle.ts";
import { LIMITS } from "../limits.ts";
import { type Bundle, openBundle } from "./bundle.ts";

const HOURS = { from: "08:00", id: "office", match: {}, to: "18:00", weekdays: ["mon"] };
const WAIVER = {
  approver: "ciso",
  code: "agent.depth",
  id: "w-1",
  match: { team: "search" },
  reason: "migration",
  until: "2026-12-31",
};

const opened = (data: object) => (): Bundle =>
  openBundle(changedFiles((config) => Object.assign(config, data)));

describe("exceptions in a bundle", () => {
  test("open", () => {
    const { data } = opened({
      hours: [HOURS, { ...HOURS, from: "22:00", to: "06:00" }, { ...HOURS, to: "24:00" }],
      tuning: { teams: { search: { run_steps: 9, warning_percents: [50] } }, tenants: {} },
      waivers: [WAIVER],
    })();
    expect(data.waivers).toHaveLength(1);
  });

  test("may be absent", () => {
    const none = { hours: undefined, tuning: undefined, waivers: undefined, zones: undefined };
    expect(opened(none)().data.hours).toBeUndefined();
  });

  test.each([
    [{ hours: [{ ...HOURS, from: "8:00" }] }, 'config.hours[0].from: "8:00" is not a time'],
    [{ hours: [{ ...HOURS, from: "24:00" }] }, "config.hours[0].from"],
    [{ hours: [{ ...HOURS, to: "24:01" }] }, "config.hours[0].to"],
    [{ hours: [{ ...HOURS, to: "08:00" }] }, "config.hours[0].to: 08:00 is from too: no hours"],
    [{ hours: [{ ...HOURS, weekdays: ["monday"] }] }, '"monday" is not accepted; accepted are mon'],
    [{ hours: [{ ...HOURS, weekdays: "mon,tue" }] }, "config.hours[0].weekdays"],
    [{ hours: [{ ...HOURS, weekdays: [] }] }, "config.hours[0].weekdays: not a list of at least"],
    [{ hours: [{ ...HOURS, from: ["09:00"] }] }, "config.hours[0].from"],
    [{ hours: [{ ...HOURS, match: { tema: "x" } }] }, "config.hours[0].match.tema"],
    [{ hours: [{ ...HOURS, match: { team: "" } }] }, "config.hours[0].match.team"],
    [{ hours: [{ ...HOURS, match: undefined }] }, "config.hours[0].match: not an object"],
    [{ hours: {} }, "config.hours: not a list"],
    [{ waivers: [null] }, "config.waivers[0]: not an object"],
    [{ waivers: [{ ...WAIVER, until: "2026-02-30" }] }, "config.waivers[0].until"],
    [{ waivers: [{ ...WAIVER, until: "31.12.2026" }] }, "config.waivers[0].until"],
    [{ waivers: [{ ...WAIVER, approver: "" }] }, "config.waivers[0].approver"],
    [{ waivers: [{ ...WAIVER, code: "agent.dept" }] }, "config.waivers[0].code names agent.dept"],
    [{ waivers: [{ ...WAIVER, code: "freeze.active" }] }, "freeze.active cannot be waived"],
    [{ waivers: [{ ...WAIVER, code: ["agent.depth"] }] }, "config.waivers[0].code"],
    [{ waivers: [{ ...WAIVER, code: "budget.exhausted" }] }, "raise the budget by a grant"],
    [
      { modes: { rules: { "freeze.active": "off" }, tenants: {} } },
      'config.modes.rules["freeze.active"]: "off" is not accepted; accepted are enforce',
    ],
    [{ waivers: [{ ...WAIVER, code: "shape.input" }] }, "shape.input cannot be waived"],
    [{ modes: { rules: {}, team_rules: { a: { x: "of" } }, tenants: {} } }, 'team_rules["a"]["x"]'],
    [
      { modes: { rules: {}, team_rules: { a: { x: "off" } }, tenants: {} } },
      'config.modes.team_rules["a"] names x; no rule has that code',
    ],
    [
      { modes: { rules: {}, tenant_rules: { a: { x: "off" } }, tenants: {} } },
      'config.modes.tenant_rules["a"] names x',
    ],
    [{ modes: { rules: {}, team_rules: { a: null }, tenants: {} } }, 'team_rules["a"]: not an obj'],
    [
      { tuning: { teams: { a: { run_step: 1 } } } },
      'config.tuning.teams["a"].run_step: no limit has that name',
    ],
    [{ tuning: { teams: { a: { reservation_ttl_ms: 1 } } } }, "is the same for everybody"],
    [{ tuning: { tenants: { a: { run_steps: "9" } } } }, 'config.tuning.tenants["a"].run_steps'],
    [{ tuning: { tenants: { a: 7 } } }, 'config.tuning.tenants["a"]: not an object'],
    [{ zones: { acme: "Berlin" } }, '"Berlin" is not a time zone'],
    [{ zones: ["UTC", "Berlin"] }, "config.zones: not an object"],
  ])("%j are refused", (data, message) => {
    expect(opened(data)).toThrow(message);
  });

  test.each([
    ["hours", HOURS, LIMITS.hours],
    ["waivers", WAIVER, LIMITS.waivers],
  ])("%s are so many at most", (name, entry, most) => {
    const many = (count: number) => ({ [name]: Array.from({ length: count }, () => entry) });
    expect(opened(many(most))().data).toHaveProperty(name);
    expect(opened(many(most + 1))).toThrow(`config.${name}: ${most + 1} entries; ${most} at most`);
  });
});
