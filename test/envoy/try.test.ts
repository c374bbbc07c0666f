import { tmpdir } from "node:os";

import { expect, test } from "vitest";

import { fakeTerminal } from "../../adapters/cli/fake-terminal.ts";
import { runWeir } from "../../adapters/cli/main.ts";
import { PROFILES } from "../../adapters/cli/envoy/configuration.ts";
import { provideEnvoy } from "../support/envoy.ts";

test.each(PROFILES)(
  "weir envoy try, profile %s: every effect, and the money agrees",
  async (profile) => {
    const terminal = fakeTerminal(tmpdir(), { PATH: process.env["PATH"] ?? "" });
    const program = provideEnvoy();
    const code = await runWeir(
      ["envoy", "try", "--profile", profile, "--envoy", program, "--json"],
      terminal,
    );
    const some = expect.toSatisfy((count: number) => count > 0) as number;
    const result = JSON.parse(terminal.printed.join("")) as Record<string, unknown>;
    expect(result).toEqual({
      differences: [],
      effects: { allow: some, block: some, reroute: some, throttle: some },
      provider_micro_usd: result["settled_micro_usd"],
      settled_micro_usd: some,
    });
    expect(code).toBe(0);
  },
);

test("an Envoy that is not there, and a profile that is none, are one clear line", async () => {
  const missing = fakeTerminal(tmpdir());
  expect(await runWeir(["envoy", "try", "--envoy", "/nowhere/envoy"], missing)).toBe(2);
  expect(missing.noted.join("\n")).toMatch(
    /^weir: envoy \/nowhere\/envoy: there is no such program/,
  );
  const other = fakeTerminal(tmpdir());
  expect(await runWeir(["envoy", "try", "--profile", "none"], other)).toBe(2);
  expect(other.noted.join("\n")).toMatch(/--profile none is not accepted; accepted are default/);
});
