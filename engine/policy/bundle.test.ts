import { describe, expect, test } from "vitest";

import { changedFiles } from "../../test/support/bundle.ts";
import { openBundle } from "./bundle.ts";

const set = (section: string, name: string, value: unknown) =>
  changedFiles((config) => {
    (config[section] as Record<string, unknown>)[name] = value;
  });

describe("a bundle", () => {
  test("opens as it is shipped", () => {
    expect(openBundle(changedFiles(() => undefined)).data.limits.agent_depth).toBeGreaterThan(0);
  });

  test.each([
    ["limits", "agent_depth", "8", 'config.limits.agent_depth: "8" is not a whole number'],
    [
      "limits",
      "reservation_ttl_ms",
      0,
      "config.limits.reservation_ttl_ms: 0 is not a whole number",
    ],
    ["limits", "degrade_share_precent", 9, "config.limits.degrade_share_precent: no limit has"],
    ["limits", "default_sensitivity", "secret", '"secret" is not accepted'],
    [
      "modes",
      "rules",
      { "agent.loop": "of" },
      '"of" is not accepted; accepted are enforce, shadow, off',
    ],
    ["modes", "rules", { "agent.lop": "off" }, "names agent.lop; no rule has that code"],
    ["modes", "tenants", { acme: "off" }, '"off" is not accepted; accepted are enforce, shadow'],
    ["routes", "openai:gpt-5", ["openai:gpt-none"], '"openai:gpt-none" is not in config.models'],
    ["estimates", "output", { chat: { expected: 2, p95: 1 } }, "2 exceeds p95, 1"],
  ])("with config.%s.%s = %j is refused", (section, name, value, message) => {
    expect(() => openBundle(set(section, name, value))).toThrow(message);
  });

  test("whose files are not those of its manifest is refused", () => {
    const files = changedFiles(() => undefined);
    expect(() => openBundle({ ...files, data: `${files.data} ` })).toThrow("data.json has digest");
  });
});
