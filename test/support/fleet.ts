import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Config, loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { openConnection } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import { type Engine, openEngine, type Service, startService } from "../../adapters/serve.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import type { WeirError } from "../../engine/errors.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { SHIPPED_BUNDLE } from "./engine.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";

/** Services with data folders of their own on one Redis, and a store of the test's to look with. */
export interface Fleet {
  readonly redis: TestRedis;
  readonly store: RedisStateStore;
  readonly faults: WeirError[];
  /** Starts a node; a name that was used before gets its data folder again. `flags` are further settings. */
  start(name: string, flags?: Readonly<Record<string, string>>): Promise<Service>;
  /** The engine of such a node without its servers; nothing sweeps. */
  open(name: string, flags?: Readonly<Record<string, string>>): Promise<Engine>;
  /** The folder and the settings of such a node, for a process of its own. */
  placeOf(name: string): FleetPlace;
  /** What the node of that name has written. */
  lines(name: string): readonly LogLine[];
  /** The data folder of the node of that name. */
  dataOf(name: string): string;
  close(): Promise<void>;
}

export interface FleetPlace {
  readonly cwd: string;
  readonly flags: Readonly<Record<string, string>>;
}

export async function openFleet(data: Partial<BundleData>): Promise<Fleet> {
  const cwd = mkdtempSync(join(tmpdir(), "weir-fleet-"));
  const bundle = changedBundle(join(cwd, "bundle"), data);
  const redis = await startTestRedis();
  const client = await openConnection(redis.address, 20_000);
  const services: Service[] = [];
  const engines: Engine[] = [];
  const faults: WeirError[] = [];
  const flagsOf = (name: string) => ({
    bundle,
    data: name,
    "grpc-listen": "127.0.0.1:0",
    "http-listen": "127.0.0.1:0",
    state: redis.url,
    // On a busy machine an answer takes its time.
    "state-timeout": "20s",
  });
  const configOf = (name: string, flags: Readonly<Record<string, string>>): Promise<Config> =>
    loadConfig({ cwd, env: {}, flags: { ...flagsOf(name), ...flags } });
  return {
    close: async () => {
      for (const service of services) await service.stop();
      for (const engine of engines) await engine.close();
      client.disconnect();
      await redis.close();
      rmSync(cwd, { force: true, recursive: true });
    },
    dataOf: (name) => join(cwd, name),
    faults,
    lines: (name) => [...readLog(dataLayout(join(cwd, name)).log)].map(({ line }) => line),
    placeOf: (name) => ({ cwd, flags: flagsOf(name) }),
    redis,
    start: async (name, flags = {}) => {
      const onFault = (fault: WeirError): void => void faults.push(fault);
      const service = await startService(await configOf(name, flags), { onFault });
      services.push(service);
      return service;
    },
    open: async (name, flags = {}) => {
      const onFault = (fault: WeirError): void => void faults.push(fault);
      const engine = await openEngine(await configOf(name, flags), { onFault });
      engines.push(engine);
      return engine;
    },
    store: new RedisStateStore(client),
  };
}

/** The data of the starter bundle. */
export function shippedData(folder = SHIPPED_BUNDLE): BundleData {
  const text = readFileSync(join(folder, "data.json"), "utf8");
  return (JSON.parse(text) as { readonly config: BundleData }).config;
}

/** A copy of the starter bundle with other data and the digest that goes with it. */
export function changedBundle(folder: string, change: Partial<BundleData>): string {
  cpSync(SHIPPED_BUNDLE, folder, { recursive: true });
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const config = shippedData(folder);
  const data = JSON.stringify({ config: { ...config, ...change } });
  const manifest = read(".manifest") as { metadata: { weir: { data_sha256: string } } };
  manifest.metadata.weir.data_sha256 = createHash("sha256").update(data).digest("hex");
  writeFileSync(join(folder, "data.json"), data);
  writeFileSync(join(folder, ".manifest"), JSON.stringify(manifest));
  return folder;
}
