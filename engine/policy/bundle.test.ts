import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { SHIPPED_BUNDLE } from "../../test/support/engine.ts";
import { type BundleFiles, openBundle } from "./bundle.ts";

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

/** The shipped bundle with other data, its manifest telling the truth about it. */
function changed(change: (config: Record<string, Record<string, unknown>>) => void): BundleFiles {
  const read = (name: string) => readFileSync(join(SHIPPED_BUNDLE, name));
  const document = JSON.parse(read("data.json").toString()) as {
    config: Record<string, Record<string, unknown>>;
  };
  change(document.config);
  const data = JSON.stringify(document);
  const manifest = JSON.parse(read(".manifest").toString()) as {
    metadata: { weir: { data_sha256: string } };
  };
  manifest.metadata.weir.data_sha256 = sha256(data);
  return { data, manifest: JSON.stringify(manifest), wasm: read("policy.wasm") };
}

const set = (section: string, name: string, value: unknown) =>
  changed((config) => {
    (config[section] as Record<string, unknown>)[name] = value;
  });

describe("a bundle", () => {
  test("opens as it is shipped", () => {
    expect(openBundle(changed(() => undefined)).data.limits.agent_depth).toBeGreaterThan(0);
  });

  test.each([
    ["limits", "agent_depth", "8", 'config.limits.agent_depth: "8" is not a whole number'],
    [
      "limits",
      "reservation_ttl_ms",
      0,
      "config.limits.reservation_ttl_ms: 0 is not a whole number",
    ],
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
    const files = changed(() => undefined);
    expect(() => openBundle({ ...files, data: `${files.data} ` })).toThrow("data.json has digest");
  });
});
