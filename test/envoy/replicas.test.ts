import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, describe, expect, test } from "vitest";

import { localConfiguration, PROFILES } from "../../adapters/cli/envoy/configuration.ts";
import { startProviderSimulator } from "../../adapters/cli/simulator/provider-simulator.ts";
import { runEnvoy } from "../../adapters/cli/envoy/run-envoy.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { createKey } from "../../adapters/keys/keys.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { patient, provideEnvoy, PROVIDER_KEYS, SEARCH } from "../support/envoy.ts";
import { freePort } from "../support/peer.ts";
import { startTestRedis } from "../support/redis.ts";
import { startWeirProcess, type WeirProcess } from "../support/weir-process.ts";

// Goal: a replica of Weir is stopped and started again without a call that fails. Method: two processes on
// one Redis behind a real Envoy, traffic without a pause.

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const closer of closers.splice(0).toReversed()) await closer();
});

const NAMES = ["a", "b"] as const;
type Name = (typeof NAMES)[number];
const host = "127.0.0.1";
const CHAT = {
  max_completion_tokens: 40,
  messages: [{ role: "user", content: "hello there, how are you?" }],
  model: "gpt-5-mini",
};

/** The configuration with every replica in the cluster of Weir. */
function withReplicas(configuration: string, ports: readonly number[]): string {
  const bootstrap = JSON.parse(patient(configuration));
  for (const cluster of bootstrap.static_resources.clusters) {
    if (cluster.name !== "weir") continue;
    cluster.load_assignment.endpoints[0].lb_endpoints = ports.map((port) => ({
      endpoint: { address: { socket_address: { address: host, port_value: port } } },
    }));
  }
  return JSON.stringify(bootstrap);
}

describe.each(PROFILES)("replicas, profile %s", (profile) => {
  test("one drains and comes back, and no call fails", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "weir-replicas-"));
    closers.push(() => rmSync(cwd, { force: true, recursive: true }));
    const redis = await startTestRedis();
    closers.push(() => redis.close());
    const folderOf = (name: Name): string => join(cwd, name);
    for (const name of NAMES) mkdirSync(folderOf(name));
    const made = { note: "", now: 0, principal: "search-service" };
    const { secret } = await createKey(folderOf("a"), made);
    const ports = { a: await freePort(), b: await freePort() };
    const start = async (name: Name): Promise<WeirProcess> => {
      const started = await startWeirProcess(cwd, {
        data: folderOf(name),
        "drain-timeout": "120s",
        "envoy-listen": `${host}:${ports[name]}`,
        state: redis.url,
        "state-timeout": "20s",
      });
      closers.push(() => started.end("SIGKILL"));
      return started;
    };
    const first = await start("a");
    for (const file of ["keys.json", "envoy.secret"]) {
      copyFileSync(join(folderOf("a"), file), join(folderOf("b"), file));
    }
    await start("b");
    const simulator = await startProviderSimulator();
    closers.push(() => simulator.close());
    simulator.behave({ eventDelayMs: 20 });
    const admin = { host, port: await freePort() };
    const listen = { host, port: await freePort() };
    const weir = { host, port: ports.a };
    const places = { admin, listen, provider: simulator.address, weir };
    const envoy = await runEnvoy({
      admin,
      configuration: withReplicas(localConfiguration(profile, places), Object.values(ports)),
      env: { ...process.env, ...PROVIDER_KEYS },
      program: provideEnvoy(),
    });
    closers.push(() => envoy.stop());
    const healthy = async (): Promise<number> => {
      const text = await (await fetch(`http://${host}:${admin.port}/clusters`)).text();
      return text.match(/^weir::[\d.:]+::health_flags::healthy$/gm)?.length ?? 0;
    };
    await expect.poll(healthy, { timeout: 60_000 }).toBe(2);

    const over = new AbortController();
    const failures: string[] = [];
    const ids: string[] = [];
    const call = async (stream: boolean): Promise<void> => {
      const response = await fetch(`http://${host}:${listen.port}/openai/v1/chat/completions`, {
        body: JSON.stringify({ ...CHAT, stream }),
        headers: {
          authorization: `Bearer ${secret}`,
          "content-type": "application/json",
          ...SEARCH,
        },
        method: "POST",
      });
      const text = await response.text();
      const isWhole = stream ? text.endsWith("data: [DONE]\n\n") : text.includes('"usage"');
      if (response.status !== 200 || !isWhole) failures.push(`${response.status} ${text}`);
      ids.push(response.headers.get("x-weir-decision-id") ?? "");
    };
    const worker = async (stream: boolean): Promise<void> => {
      while (!over.signal.aborted) {
        await call(stream).catch((thrown: unknown) => void failures.push(String(thrown)));
        await sleep(10);
      }
    };
    const workers = [false, false, false, true, true].map(worker);
    const linesOf = (name: Name) =>
      [...readLog(dataLayout(folderOf(name)).log)].map(({ line }) => line);
    const decidedBy = (name: Name): number =>
      linesOf(name).filter(({ kind }) => kind === "decision").length;
    await expect.poll(() => ids.length, { timeout: 60_000 }).toBeGreaterThan(20);
    expect(await first.end("SIGTERM")).toBe(0);
    const before = decidedBy("a");
    expect(before).toBeGreaterThan(0);
    await start("a");
    await expect.poll(healthy, { timeout: 60_000 }).toBe(2);
    await expect.poll(() => decidedBy("a"), { timeout: 60_000 }).toBeGreaterThan(before);
    over.abort();
    await Promise.all(workers);
    expect(failures).toEqual([]);
    expect(decidedBy("b")).toBeGreaterThan(0);
    const unsettled = (): number => {
      const settled = new Set(
        NAMES.flatMap(linesOf).map(
          (line) => (line.kind === "entry" && line.entry === "settled" && line.decision_id) || "",
        ),
      );
      return ids.filter((id) => !settled.has(id)).length / ids.length;
    };
    // A batch of access logs that is on its way while its stream ends is lost.
    const lost = profile === "default" ? 0.1 : 0;
    await expect.poll(unsettled, { interval: 200, timeout: 30_000 }).toBeLessThanOrEqual(lost);
  }, 240_000);
});
