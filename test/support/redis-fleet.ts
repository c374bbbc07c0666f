import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "ioredis";

import { freePort, providePeer } from "./peer.ts";

/** Several Redis servers of a test's own that belong together. */
export interface RedisFleet {
  /** The `state` that names it. */
  readonly url: string;
  /** Kills every master that holds this key; what no replica has is gone. Returns its port. */
  killMaster(key: string): Promise<number>;
  /** Empties every master. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface Server {
  readonly port: number;
  readonly client: Redis;
  kill(): Promise<void>;
}

class Servers {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-redis-fleet-"));
  readonly all: Server[] = [];
  readonly #program = providePeer({ aptPackage: "redis-server", program: "redis-server" });

  async start(settings: readonly string[], flags: readonly string[] = []): Promise<Server> {
    const port = await clusterPort();
    const file = join(this.folder, `${port}.conf`);
    const lines = ["bind 127.0.0.1", "save ''", "appendonly no", `dir ${this.folder}`];
    writeFileSync(file, [...lines, `port ${port}`, ...settings].join("\n"));
    const server = spawn(this.#program, [file, ...flags], { stdio: "ignore" });
    const client = new Redis(port, { retryStrategy: (attempt) => Math.min(attempt * 20, 200) });
    client.on("error", () => undefined);
    await eventually(() => client.ping());
    const started = { client, kill: () => kill(server), port };
    this.all.push(started);
    return started;
  }

  async close(): Promise<void> {
    for (const { client } of this.all) client.disconnect();
    for (const server of this.all) await server.kill();
    rmSync(this.folder, { force: true, recursive: true });
  }
}

/** A port whose bus port, 10,000 above, exists too. */
async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port < 55_000) return port;
  }
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGKILL");
  await exited;
}

/** Tries again until it neither throws nor gives false. */
async function eventually<Value>(attempt: () => Promise<Value>): Promise<Value> {
  for (let left = 1_200; ; left -= 1) {
    try {
      const value = await attempt();
      if (value !== false) return value;
      if (left === 0) throw new Error("it never came true");
    } catch (thrown) {
      if (left === 0) throw thrown;
    }
    await sleep(50);
  }
}

const MASTERS = 3;
const SLOTS = 16_384;

/** A cluster of three masters, each with a replica. */
export async function startRedisCluster(): Promise<RedisFleet> {
  const servers = new Servers();
  const settings = (at: number) => [
    "cluster-enabled yes",
    `cluster-config-file nodes-${at}.conf`,
    "cluster-node-timeout 2000",
    "cluster-replica-validity-factor 0",
  ];
  try {
    for (let at = 0; at < MASTERS * 2; at += 1) await servers.start(settings(at));
    const [first] = servers.all as [Server];
    for (const [at, { client, port }] of servers.all.entries()) {
      await client.config("SET", "cluster-announce-ip", "127.0.0.1");
      if (port !== first.port) await client.cluster("MEET", "127.0.0.1", first.port);
      if (at >= MASTERS) continue;
      const start = Math.ceil((SLOTS / MASTERS) * at);
      const end = Math.ceil((SLOTS / MASTERS) * (at + 1)) - 1;
      await client.call("CLUSTER", "ADDSLOTSRANGE", String(start), String(end));
    }
    for (const [at, { client }] of servers.all.entries()) {
      if (at < MASTERS) continue;
      const master = servers.all[at - MASTERS] as Server;
      const id = await master.client.cluster("MYID");
      await eventually(() => client.cluster("REPLICATE", id));
    }
    for (const { client } of servers.all) {
      await eventually(async () => {
        const [info, nodes] = [await client.cluster("INFO"), String(await client.cluster("NODES"))];
        const replicas = nodes.split("\n").filter((line) => line.includes("slave")).length;
        return info.includes("cluster_state:ok") && replicas === MASTERS;
      });
    }
    await untilReplicated(servers.all.slice(0, MASTERS), 1);
  } catch (thrown) {
    await servers.close();
    throw thrown;
  }
  const masters = async (): Promise<Server[]> => {
    const found: Server[] = [];
    for (const server of servers.all) if (await isMaster(server)) found.push(server);
    return found;
  };
  return {
    close: () => servers.close(),
    flush: async () => {
      for (const { client } of await masters()) await client.flushall();
    },
    killMaster: async (key) => {
      const slot = Number(await servers.all[0]?.client.cluster("KEYSLOT", key));
      for (const server of await masters()) {
        const own = Math.floor((slot * MASTERS) / SLOTS);
        if (server !== servers.all[own]) continue;
        server.client.disconnect();
        await server.kill();
        return server.port;
      }
      throw new Error(`no master serves ${key}`);
    },
    url: `redis+cluster://${servers.all.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
  };
}

/** A master with two replicas, watched by three sentinels as "weir". */
export async function startRedisSentinel(): Promise<RedisFleet> {
  const servers = new Servers();
  const sentinels: Server[] = [];
  let master: Server;
  try {
    master = await servers.start(["repl-diskless-sync-delay 0"]);
    for (let at = 0; at < 2; at += 1) await servers.start([`replicaof 127.0.0.1 ${master.port}`]);
    await untilReplicated([master], 2);
    for (let at = 0; at < 3; at += 1) {
      const watch = [
        `sentinel monitor weir 127.0.0.1 ${master.port} 2`,
        "sentinel down-after-milliseconds weir 1000",
        "sentinel failover-timeout weir 5000",
      ];
      sentinels.push(await servers.start(watch, ["--sentinel"]));
    }
    for (const { client } of sentinels) {
      await eventually(async () => {
        const flat = (await client.call("SENTINEL", "MASTER", "weir")) as string[];
        const about = (name: string) => flat[flat.indexOf(name) + 1];
        return about("num-slaves") === "2" && about("num-other-sentinels") === "2";
      });
    }
  } catch (thrown) {
    await servers.close();
    throw thrown;
  }
  const current = async (): Promise<Server> => {
    const [asked] = sentinels as [Server];
    const found = await asked.client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "weir");
    const [, port] = found as [string, string];
    return servers.all.find((server) => server.port === Number(port)) as Server;
  };
  return {
    close: () => servers.close(),
    flush: async () => void (await (await current()).client.flushall()),
    killMaster: async () => {
      const server = await current();
      server.client.disconnect();
      await server.kill();
      return server.port;
    },
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/weir`,
  };
}

async function isMaster({ client }: Server): Promise<boolean> {
  try {
    return (await client.info("replication")).includes("role:master");
  } catch {
    return false;
  }
}

async function untilReplicated(masters: readonly Server[], replicas: number): Promise<void> {
  for (const { client } of masters) {
    await eventually(async () => (await client.wait(replicas, 1_000)) >= replicas);
    const online = async () => {
      const info = await client.info("replication");
      return (info.match(/state=online/g) ?? []).length >= replicas;
    };
    await eventually(online);
  }
}
