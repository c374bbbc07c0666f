import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import {
  localConfiguration,
  type Profile,
  PROFILES,
} from "../../adapters/cli/envoy/configuration.ts";
import {
  type ProviderSimulator,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { runEnvoy, type RunningEnvoy } from "../../adapters/cli/envoy/run-envoy.ts";
import { loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { createKey } from "../../adapters/keys/keys.ts";
import { checkLedger } from "../../adapters/serve/ledger-check.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { patient, provideEnvoy, PROVIDER_KEYS, SEARCH } from "../support/envoy.ts";
import { freePort } from "../support/peer.ts";
import { startWeirProcess, type WeirProcess } from "../support/weir-process.ts";

// Goal: T13, with Weir killed or hung no call passes undecided, what it cost is charged once, and all is
// well again when Weir is. Method: Weir as a process that gets signals, and what the provider saw.

const CHAT = {
  max_completion_tokens: 40,
  messages: [{ role: "user", content: "hello there, how are you?" }],
  model: "gpt-5-mini",
};
const host = "127.0.0.1";
/** How long Envoy waits for a Weir that hangs. */
const HANG_S = 6;

/** Envoy tries again what the provider fails, as an operator may set it up. */
function retrying(configuration: string): string {
  const retries = '"retry_policy":{"retry_on":"5xx","num_retries":3}';
  return configuration.replace('"cluster":"openai","timeout":"0s"', `$&,${retries}`);
}

describe.each(PROFILES)("T13 outages, profile %s", (profile: Profile) => {
  const closers: (() => unknown)[] = [];
  let cwd: string;
  let key: string;
  let base: string;
  let weir: WeirProcess;
  let weirPort: number;
  let envoy: RunningEnvoy;
  let simulator: ProviderSimulator;
  let data: string;

  const start = async (): Promise<WeirProcess> =>
    startWeirProcess(cwd, { data, "envoy-listen": `${host}:${weirPort}` });

  beforeAll(async () => {
    cwd = mkdtempSync(join(tmpdir(), "weir-outage-"));
    closers.push(() => rmSync(cwd, { force: true, recursive: true }));
    data = join(cwd, "data");
    key = (await createKey(data, { note: "", now: 0, principal: "search-service" })).secret;
    weirPort = await freePort();
    weir = await start();
    closers.push(() => weir.child.kill("SIGKILL"));
    simulator = await startProviderSimulator();
    closers.push(() => simulator.close());
    const admin = { host, port: await freePort() };
    const listen = { host, port: await freePort() };
    const places = {
      admin,
      listen,
      provider: simulator.address,
      weir: { host, port: weirPort },
    };
    envoy = await runEnvoy({
      admin,
      configuration: patient(retrying(localConfiguration(profile, places)), HANG_S),
      env: { ...process.env, ...PROVIDER_KEYS },
      program: provideEnvoy(),
    });
    closers.push(() => envoy.stop());
    base = `http://${host}:${listen.port}`;
  });

  beforeEach(() => {
    simulator.behave({});
    simulator.reset();
  });

  afterAll(async () => {
    for (const closer of closers.toReversed()) await closer();
  });

  const post = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}/openai/v1/chat/completions`, {
      body: JSON.stringify(body),
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        ...SEARCH,
        ...headers,
      },
      method: "POST",
    });

  /** Waits until a call passes again, as it must once Weir does. */
  async function untilServed(): Promise<void> {
    const pass = async (): Promise<number> => {
      const response = await post(CHAT);
      await response.text();
      return response.status;
    };
    await expect.poll(pass, { interval: 200, timeout: 60_000 }).toBe(200);
    simulator.reset();
  }

  const lines = () => [...readLog(dataLayout(data).log)].map(({ line }) => line);
  const settledOf = (id: string) =>
    lines().filter(
      (line) => line.kind === "entry" && line.entry === "settled" && line.decision_id === id,
    );

  /** Decisions for which money is still held. */
  const openDecisions = () => {
    const log = lines();
    const over = new Set(log.map((line) => (line.kind === "entry" ? line.decision_id : "")));
    return log.flatMap((line) => (line.kind === "decision" && !over.has(line.id) ? [line.id] : []));
  };

  test("what Envoy tries again at the provider is one call, charged once", async () => {
    await untilServed();
    simulator.script({ status: 503 }, { status: 503 });
    const response = await post(CHAT);
    await response.text();
    expect(response.status).toBe(200);
    expect(simulator.seen).toHaveLength(3);
    const id = response.headers.get("x-weir-decision-id") ?? "";
    await expect.poll(() => settledOf(id), { timeout: 30_000 }).toHaveLength(1);
    const reports = lines().filter((line) => line.kind === "report" && line.decision_id === id);
    expect(reports).toMatchObject([{ basis: "provider", final: true, outcome: "ok" }]);
    const decisions = lines().filter((line) => line.kind === "decision" && line.id === id);
    expect(decisions).toHaveLength(1);
  });

  test("a client cannot make Envoy try again, nor say which try it is", async () => {
    simulator.behave({ status: 503 });
    const response = await post(CHAT, {
      "x-envoy-attempt-count": "7",
      "x-envoy-max-retries": "8",
      "x-envoy-retry-on": "5xx",
    });
    await response.text();
    // Those of the route, no more.
    expect(simulator.seen).toHaveLength(4);
    expect(simulator.seen.map(({ headers }) => headers["x-envoy-attempt-count"])).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  test("a hung Weir: no call passes; when it goes on, what was held for them is given back", async () => {
    weir.child.kill("SIGSTOP");
    const refused = await Promise.all([post(CHAT), post(CHAT)]);
    weir.child.kill("SIGCONT");
    expect(refused.map(({ status }) => status)).toSatisfy((statuses: number[]) =>
      statuses.every((status) => status === 503 || status === 504),
    );
    expect(simulator.seen).toEqual([]);
    await untilServed();
    await expect.poll(openDecisions, { timeout: 30_000 }).toEqual([]);
  });

  test("Weir killed in the middle of a stream: no other call passes, and it comes back", async () => {
    const arrived = Promise.withResolvers<void>();
    simulator.behave({ pause: { afterEvents: 6, until: arrived.promise }, words: 20 });
    const response = await post({ ...CHAT, stream: true });
    const reader = response.body?.getReader();
    let text = "";
    while (!text.includes("word3")) text += await next(reader);
    await weir.end("SIGKILL");
    const refused = await post(CHAT);
    await refused.text();
    // The second where Envoy has not seen yet that its connection is gone.
    expect([503, 504]).toContain(refused.status);
    expect(simulator.seen).toHaveLength(1);
    arrived.resolve();
    const rest = readAll(reader);
    // Weir is on the way of an answer in one profile, and not in the other.
    if (profile === "default") expect(text + (await rest)).toMatch(/word19.*\[DONE\]/s);
    else await expect(rest).rejects.toThrow();
    weir = await start();
    await untilServed();
    const id = response.headers.get("x-weir-decision-id") ?? "";
    expect(settledOf(id).length).toBeLessThanOrEqual(1);
  });

  test("after all of it the ledger is right", async () => {
    await envoy.stop();
    expect(await weir.end("SIGTERM")).toBe(0);
    const check = await checkLedger(await loadConfig({ cwd, env: {}, flags: { data } }));
    expect(check).toMatchObject({ differences: [], imbalances: [] });
  });
});

type Reader = ReadableStreamDefaultReader<Uint8Array> | undefined;

async function next(reader: Reader): Promise<string> {
  const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
  if (done) throw new Error("the answer ended");
  return Buffer.from(value ?? []).toString();
}

async function readAll(reader: Reader): Promise<string> {
  let text = "";
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return text;
    text += Buffer.from(value ?? []).toString();
  }
}
