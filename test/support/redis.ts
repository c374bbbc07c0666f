import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "ioredis";

import { stateAddress } from "../../adapters/config/state-address.ts";
import type { RedisAddress } from "../../adapters/redis/connection.ts";
import { freePort, providePeer } from "./peer.ts";

/** A redis-server of a test's own, in memory only. */
export interface TestRedis {
  readonly url: string;
  readonly address: RedisAddress;
  /** Kills the server as a crash would; what it held is gone. */
  stop(): Promise<void>;
  /** Stops answering, keeps its connections and what it is sent meanwhile. */
  pause(): void;
  /** Goes on after a pause; resolves once it has done what it was sent. */
  resume(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Stops it for good. */
  close(): Promise<void>;
  /** A client without any of our settings. */
  connect(): Redis;
}

/** Starts a redis-server on a free port; a machine without one gets it, or the test says how. */
export async function startTestRedis({ cluster = false } = {}): Promise<TestRedis> {
  const program = providePeer({ aptPackage: "redis-server", program: "redis-server" });
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "weir-redis-"));
  const url = `redis://127.0.0.1:${port}`;
  const clients: Redis[] = [];
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const settings = { appendonly: "no", bind: "127.0.0.1", dir: folder, port, save: "" };
    const mode = cluster ? { "cluster-enabled": "yes" } : {};
    const flags = Object.entries({ ...settings, ...mode }).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    server = spawn(program, flags, { stdio: "ignore" });
    await untilAnswers(url);
    if (cluster) await takeEverySlot(url);
  };
  const stop = async (): Promise<void> => {
    const running = server;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    url,
    address: addressOf(url),
    pause: () => void server?.kill("SIGSTOP"),
    resume: async () => {
      server?.kill("SIGCONT");
      await untilAnswers(url);
    },
    start,
    stop,
    close: async () => {
      for (const client of clients) client.disconnect();
      await stop();
      rmSync(folder, { force: true, recursive: true });
    },
    connect: () => {
      const client = new Redis(url);
      client.on("error", () => undefined);
      clients.push(client);
      return client;
    },
  };
}

/** The address that a URL of `state` stands for. */
export function addressOf(url: string): RedisAddress {
  const address = stateAddress().read(url, "/");
  if (address === undefined || address.kind === "memory") throw new Error(`no Redis: ${url}`);
  return address;
}

/** A cluster of one node: whatever spans slots is refused. */
async function takeEverySlot(url: string): Promise<void> {
  const client = new Redis(url);
  try {
    await client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const info = (await client.call("CLUSTER", "INFO")) as string;
      if (info.includes("cluster_state:ok")) return;
      await sleep(25);
    }
    throw new Error("the cluster does not come up");
  } finally {
    client.disconnect();
  }
}

async function untilAnswers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.ping();
      return;
    } catch {
      await sleep(25);
    } finally {
      client.disconnect();
    }
  }
  throw new Error(`redis-server does not answer at ${url}`);
}
