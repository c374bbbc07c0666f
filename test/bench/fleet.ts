import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { variant, writeFolder } from "../../adapters/bundles/testing/variant.ts";
import { loadConfig } from "../../adapters/config.ts";
import { connect, type WeirClient } from "../../adapters/grpc/client.ts";
import { checkState, driftNanoUsd } from "../../adapters/serve/state-check.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";
import { weir } from "../../proto/gen/weir.js";
import { budgetOf } from "../support/budgets.ts";
import { startTestRedis } from "../support/redis.ts";
import { messageOf, roomyData } from "./calls.ts";
import { Child } from "./child.ts";
import { type Bench, type BenchOptions, type Measured, rowOf } from "./row.ts";
import { SteadyLoad } from "./steady-load.ts";

const SECONDS = { full: { measured: 8, warmUp: 4 }, quick: { measured: 1, warmUp: 0.5 } };
const CALLS_PER_SECOND = 1_000;
const WARM_UP_PER_SECOND = 200;
const P99_US = 5_000;
const CLIENTS = [1, 10, 50, 200] as const;
/** Calls of one team of one tenant: every so manieth of the ordinary ones. */
const ONE_TEAM = 5;

/** Decide over gRPC on a state in Redis, at a steady rate. */
const GRPC_REDIS: Bench = {
  name: "grpc_redis_1000",
  run: (options) =>
    onRedis(roomyData, async ({ client, drift }) => {
      const seconds = secondsOf(options);
      await new SteadyLoad(client, WARM_UP_PER_SECOND).during(sleep(seconds.warmUp * 1_000));
      const load = new SteadyLoad(client, CALLS_PER_SECOND, "measured");
      const { latencies, totalMs } = await load.during(sleep(seconds.measured * 1_000));
      const note = `offered ${CALLS_PER_SECOND}/s, Redis on the same machine; ${await drift()}`;
      const row = rowOf(GRPC_REDIS.name, latencies, totalMs, note);
      return { met: row.p99_us <= P99_US, row };
    }),
  target: "p99 ≤ 5 ms",
  what: `Decide at ${CALLS_PER_SECOND.toLocaleString("en-US")} calls/s, state in Redis`,
};

/** How many callers at once reserve on one budget, and each on its own: policy, log and Redis included. */
const FAN_OUT: readonly Bench[] = CLIENTS.flatMap((clients) =>
  (["shared", "separate"] as const).map((budgets) => {
    const name = `fanout_${clients}_${budgets}`;
    const whose = budgets === "shared" ? "one budget" : "a budget each";
    return {
      name,
      run: (options: BenchOptions) => fanOut(name, clients, budgets, options),
      target: "",
      what: `Decide by ${clients} at once on ${whose}, state in Redis`,
    };
  }),
);

export const FLEET: readonly Bench[] = [GRPC_REDIS, ...FAN_OUT];

function fanOut(
  name: string,
  clients: number,
  budgets: "shared" | "separate",
  options: BenchOptions,
): Promise<Measured> {
  const per = budgets === "shared" ? [] : (["user"] as const);
  const changed = (data: BundleData) => ({
    ...roomyData(data),
    budgets: [budgetOf("fanout", { limit: LIMIT_MICRO_USD, per })],
  });
  return onRedis(changed, async ({ client, drift }) => {
    const seconds = secondsOf(options);
    const callers = Array.from({ length: clients }, (_, at) => new Caller(client, at));
    const run = async (forSeconds: number) => {
      const startMs = performance.now();
      const ends = callers.map((caller) => caller.decideUntil(startMs + forSeconds * 1_000));
      const latencies = (await Promise.all(ends)).flat();
      return { latencies: Float64Array.from(latencies), totalMs: performance.now() - startMs };
    };
    await run(seconds.warmUp);
    const { latencies, totalMs } = await run(seconds.measured);
    return { met: null, row: rowOf(name, latencies, totalMs, await drift()) };
  });
}

const LIMIT_MICRO_USD = 1_000_000_000_000;

/** One caller: its own user, one call after the other. */
class Caller {
  readonly #client: WeirClient;
  readonly #at: number;
  #next = 0;

  constructor(client: WeirClient, at: number) {
    this.#client = client;
    this.#at = at;
  }

  /** Latencies in microseconds. */
  async decideUntil(endMs: number): Promise<readonly number[]> {
    const latencies: number[] = [];
    for (let beginMs = performance.now(); beginMs < endMs; beginMs = performance.now()) {
      // Not an agent's: one run of them all would be a loop.
      const { run: _, ...message } = messageOf(this.#next * ONE_TEAM);
      const user = `caller-${this.#at}`;
      const { effect } = await this.#client.decide({
        ...message,
        attribution: { ...message.attribution, user },
        id: `${user}-${this.#next}`,
      });
      this.#next += 1;
      latencies.push((performance.now() - beginMs) * 1_000);
      if (effect !== weir.v1.Effect.EFFECT_ALLOW) throw new Error(`${user} is not allowed`);
    }
    return latencies;
  }
}

interface Opened {
  readonly client: WeirClient;
  /** What of the state is not as the log says, in words. */
  readonly drift: () => Promise<string>;
}

/** The service in a process of its own on a Redis of its own, on the shipped bundle with other data. */
async function onRedis(
  change: (data: BundleData) => Partial<BundleData>,
  work: (opened: Opened) => Promise<Measured>,
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const redis = await startTestRedis();
  const bundle = writeFolder(join(folder, "bundle"), variant("bench", change));
  const server = new Child("server.ts", ["bundle", folder, bundle, redis.url]);
  try {
    const address = `127.0.0.1:${await server.ask<number>()}`;
    // A machine that cannot keep up is slow, and says how slow.
    const client = connect({ address, timeoutMs: 120_000 });
    const drift = async (): Promise<string> => {
      const flags = { data: folder, state: redis.url, "state-timeout": "20s" };
      const check = await checkState(await loadConfig({ cwd: folder, env: {}, flags }), [folder]);
      return `${check.budgets} balances, drift ${driftNanoUsd(check)} nano-USD`;
    };
    try {
      return await work({ client, drift });
    } finally {
      client.close();
    }
  } finally {
    await server.close();
    await redis.close();
    rmSync(folder, { force: true, recursive: true });
  }
}

function secondsOf({ quick }: BenchOptions) {
  return quick ? SECONDS.quick : SECONDS.full;
}
