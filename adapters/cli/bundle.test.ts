import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { LIMITS } from "../../engine/limits.ts";
import { variant, writeFolder } from "../bundles/testing/variant.ts";
import { loadConfig } from "../config.ts";
import { createKey } from "../keys/keys.ts";
import { type Service, startService } from "../serve.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runWeir } from "./main.ts";

let cwd: string;
let service: Service;
const faults: string[] = [];
const start = async (): Promise<void> => {
  const flags = {
    bundle: join(cwd, "first"),
    "grpc-listen": "127.0.0.1:0",
    "http-listen": "127.0.0.1:0",
  };
  const config = await loadConfig({ cwd, env: {}, flags });
  service = await startService(config, { onFault: ({ message }) => void faults.push(message) });
};
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), "weir-bundle-cli-"));
  faults.length = 0;
  writeFolder(join(cwd, "first"), variant("r1"));
  writeFolder(join(cwd, "second"), variant("r2"));
  await start();
});
afterEach(async () => {
  await service.stop();
  rmSync(cwd, { recursive: true });
});

const weir = async (...argv: string[]) => {
  const terminal = fakeTerminal(cwd, { WEIR_SERVER: `127.0.0.1:${service.grpc.port}` });
  const exit = await runWeir(argv, terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed.join("\n") };
};
const json = async (...argv: string[]) => JSON.parse((await weir(...argv, "--json")).printed);

test("an operator activates, looks and returns; a restart keeps what was chosen", async () => {
  const activated = await weir("bundle", "activate", "second", "--why", "cheaper routes");
  expect(activated.noted).toBe("");
  expect(activated.printed).toMatch(
    /^DECIDES {2}r2, [0-9a-f]{12}\n {2}before {2}r1, [0-9a-f]{12}\n {2}why {5}cheaper routes$/,
  );
  const { printed } = await weir("bundle", "status");
  expect(printed.split("\n")).toEqual([
    expect.stringMatching(/^r2, [0-9a-f]{12}$/),
    expect.stringMatching(/^ {2}since {7}.* ago, by local$/),
    "  why         cheaper routes",
    `  from        ${join(cwd, "second")}`,
    `  configured  ${join(cwd, "first")}`,
    expect.stringMatching(
      /^ {2}before {6}r1, [0-9a-f]{12}, .* ago, by .*: the service started with it$/,
    ),
  ]);
  await service.stop();
  await start();
  expect((await json("bundle", "status")).active).toMatchObject({ actor: "local", revision: "r2" });
  const back = await json("bundle", "rollback", "--why", "too cheap");
  expect([back.before.revision, back.after.revision]).toEqual(["r2", "r1"]);
  const metrics = await (await fetch(`http://127.0.0.1:${service.http.port}/metrics`)).text();
  expect(metrics).toContain('weir_bundle_changes_total{change="rolled_back"} 1');
  expect(metrics).toContain('weir_bundle_info{revision="r1"');
  expect((await weir("bundle", "rollback", "--why", "more")).noted).toBe(
    "weir: there is no earlier bundle to return to",
  );
  expect(faults).toEqual([]);
});

test("what is refused is said, and what decides goes on", async () => {
  writeFileSync(join(cwd, "second/data.json"), "{}");
  const { exit, noted } = await weir("bundle", "activate", "second", "--why", "x");
  expect([exit, noted]).toEqual([
    1,
    expect.stringMatching(/^weir: data.json has digest [0-9a-f]{64}, the manifest says/),
  ]);
  expect(faults).toEqual([expect.stringContaining(`bundle ${join(cwd, "second")} is refused`)]);
  expect((await json("bundle", "status")).active.revision).toBe("r1");
  expect((await weir("bundle", "activate", "first")).exit).toBe(2);
});

test("only an operator of the whole platform may", async () => {
  const { secret } = await createKey(join(cwd, "weir-data"), {
    note: "",
    now: 0,
    principal: "search-service",
  });
  // A running service takes a new key within a second.
  await expect
    .poll(async () => (await weir("bundle", "status", "--key", secret)).noted, { timeout: 20_000 })
    .toBe("weir: principal search-service is no operator of the whole platform");
});

test("a source is as long as it may be, and one more is refused", async () => {
  const activate = async (source: string) =>
    (await weir("bundle", "activate", source, "--why", "x")).noted;
  const longest = `/${"x".repeat(LIMITS.sourceChars - 1)}`;
  expect(await activate(longest)).toMatch(/^weir: bundle \/x+/);
  expect(await activate(`${longest}x`)).toContain(
    "source: 4097 characters, at most 4096 are accepted",
  );
});
