import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { scratchFolder } from "../../adapters/bundles/testing/keys.ts";
import { variant, writeFolder } from "../../adapters/bundles/testing/variant.ts";
import { loadConfig } from "../../adapters/config.ts";
import { connectAdmin } from "../../adapters/grpc/admin-client.ts";
import { connect } from "../../adapters/grpc/client.ts";
import { startService } from "../../adapters/serve.ts";
import { runWeir } from "./child.ts";
import { wireIntent } from "./live.ts";

// Goal: a second bundle judges what is decided and changes none of it; where it would have judged otherwise
// is counted and can be read. Method: a canary that allows agents no depth at all.

async function start(cwd: string, canary: string) {
  const faults: string[] = [];
  const flags = { canary, "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  const config = await loadConfig({ cwd, env: {}, flags });
  const service = await startService(config, {
    onFault: ({ message }) => void faults.push(message),
  });
  const address = `127.0.0.1:${service.grpc.port}`;
  const [admin, client] = [connectAdmin({ address }), connect({ address })];
  onTestFinished(async () => {
    admin.close();
    client.close();
    await service.stop();
  });
  const canaryStatus = async () => (await admin.getBundleStatus()).canary;
  return { address, canaryStatus, client, faults, http: service.http.port };
}

test(
  "what it would have judged otherwise is counted, written down, and not done",
  { timeout: 300_000 },
  async () => {
    const cwd = scratchFolder();
    const strict = variant("strict", ({ limits }) => ({ limits: { ...limits, agent_depth: 0 } }));
    const { address, canaryStatus, client, http } = await start(
      cwd,
      writeFolder(join(cwd, "strict"), strict),
    );
    const run = { depth: 2, id: "run-1", step: 1 };
    for (const [id, change] of [
      ["1", {}],
      ["2", { run }],
      ["3", {}],
    ] as const) {
      expect((await client.decide(wireIntent(id, change))).effect).toBe(1);
    }
    const counts = async () => {
      const { differences, dropped, judged } = (await canaryStatus()) ?? {};
      return [judged, differences, dropped].map(Number);
    };
    await expect.poll(counts, { timeout: 60_000 }).toEqual([3, 1, 0]);
    const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    expect(metrics).toContain('weir_canary_verdicts_total{result="same"} 2');
    expect(metrics).toContain('weir_canary_verdicts_total{result="different"} 1');

    const folder = join(cwd, "weir-data/bundles/canary");
    const [name = ""] = readdirSync(folder);
    const [line, ...others] = readFileSync(join(folder, name), "utf8").trim().split("\n");
    expect(others).toEqual([]);
    expect(JSON.parse(line ?? "")).toMatchObject({
      active: { verdict: { effect: "allow" } },
      canary: { digest: name.slice(0, 64), fault: null, verdict: { effect: "block" } },
      input: { intent: { run: { depth: 2 } } },
    });
    const { stdout } = await runWeir(cwd, "bundle", "status", "--server", address);
    expect(stdout).toMatch(
      /canary {6}strict, [0-9a-f]{12}, from .*strict\n.*1 of 3 verdicts differ, 0 /,
    );
  },
);

test(
  "one that cannot be had, or does not open, hinders nothing",
  { timeout: 300_000 },
  async () => {
    const cwd = scratchFolder();
    const missing = await start(cwd, join(cwd, "nowhere"));
    expect((await missing.client.decide(wireIntent("1"))).effect).toBe(1);
    expect((await missing.canaryStatus())?.stopped).toContain("nowhere cannot be read");
    expect(missing.faults.join()).toContain("there is no canary: bundle ");

    const other = join(cwd, "other");
    const wrong = variant("wrong", ({ limits }) => ({
      limits: { ...limits, agent_depth: "8" as never },
    }));
    const broken = await start(other, writeFolder(join(cwd, "wrong"), wrong));
    await expect
      .poll(async () => (await broken.canaryStatus())?.stopped, { timeout: 60_000 })
      .toContain('config.limits.agent_depth: "8" is not a whole number');
    expect((await broken.client.decide(wireIntent("1"))).effect).toBe(1);
  },
);
