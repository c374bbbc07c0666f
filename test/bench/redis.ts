import type { Redis } from "ioredis";

import { openConnection, type RedisClient } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import type { ReserveRequest } from "../../engine/reservation/reservation.ts";
import { planScopes } from "../../engine/velocity/scopes.ts";
import { holdOf, idOf, reportOf, requestOf } from "../conformance/requests.ts";
import { startTestRedis } from "../support/redis.ts";
import { type Bench, type BenchOptions, type Measured, round, type Row, rowOf } from "./row.ts";

const KINDS = ["tenant", "team", "feature", "service", "user", "model"] as const;
const HELD = 40_000n;
const CHARGED = 30_000n;
const IN_FLIGHT = 32;
const COUNTS = { full: 40_000, quick: 400 };
const SCRIPT_US = 40;
const PAIRS_PER_SECOND = 5_000;

export const REDIS_SCRIPT: Bench = {
  name: "redis_script",
  run: measureScript,
  target: `≤ ${SCRIPT_US} µs of Redis`,
  what: "one reserve in Redis, 6 budgets and 6 scopes, as the server measures it",
};

export const REDIS_RESERVE_SETTLE: Bench = {
  name: "redis_reserve_settle",
  run: measurePairs,
  target: `≥ ${PAIRS_PER_SECOND.toLocaleString("en-US")} pairs/s`,
  what: `reserve and settle, ${IN_FLIGHT} in flight, Redis on the same machine`,
};

const WINDOW = {
  calls_min: 10,
  cold_micro_usd: 1_000_000,
  floor_micro_usd: 500_000,
  ratio_percent: 200,
};
const WINDOWS = { "1h": WINDOW, "1m": WINDOW, "1s": WINDOW };
const PLAN = planScopes({
  report_percent: 0,
  scopes: Object.fromEntries(KINDS.map((kind) => [kind, { windows: WINDOWS }])),
});

/** An intent under six budgets and six scopes, one of each kind its user's own. */
function request(number: number, nowMs: number): ReserveRequest {
  const user = number % 50;
  const budgets = ["org", "tenant", "team", "feature", "service"].map((name) => `acme|${name}`);
  const limit = 10n ** 18n;
  return requestOf(number, {
    deadlineMs: nowMs + 600_000,
    freezeScopes: ["*", ...KINDS.map((kind) => `${kind}:name`)],
    holds: [...budgets, `acme|user|${user}`].map((name) => holdOf(name, HELD, { limit })),
    nowMs,
    scopes: PLAN.kinds.map((planned) => ({
      ...planned,
      scope: `${planned.kind}:${planned.kind === "user" ? user : "name"}`,
    })),
  });
}

interface Opened {
  readonly looker: Redis;
  readonly open: () => Promise<RedisStateStore>;
}

async function withRedis(work: (opened: Opened) => Promise<Measured>): Promise<Measured> {
  const redis = await startTestRedis();
  const clients: RedisClient[] = [];
  const open = async (): Promise<RedisStateStore> => {
    const client = await openConnection(redis.address, 20_000);
    clients.push(client);
    return new RedisStateStore(client);
  };
  try {
    return await work({ looker: redis.connect(), open });
  } finally {
    for (const client of clients) client.disconnect();
    await redis.close();
  }
}

/** Calls of `work` for the numbers from 1 to `count`, some in flight; their times in microseconds. */
async function timed(
  count: number,
  work: (number: number) => Promise<unknown>,
): Promise<{ readonly latencies: Float64Array; readonly totalMs: number }> {
  const latencies = new Float64Array(count);
  let number = 0;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (number < count) {
      const mine = (number += 1);
      const sentMs = performance.now();
      await work(mine);
      latencies[mine - 1] = (performance.now() - sentMs) * 1_000;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return { latencies, totalMs: performance.now() - startMs };
}

/** "exact", or by how much what all budgets hold or have settled differs from what was sent. */
async function exactness(store: RedisStateStore, held: bigint, settled: bigint): Promise<string> {
  let off = 0n;
  let users = 0n;
  for (const balance of await store.balances()) {
    const { instance } = balance;
    if (instance.startsWith("acme|user|")) users += balance.held + balance.settled;
    else if (balance.held !== held || balance.settled !== settled)
      off += balance.held + balance.settled - held - settled;
  }
  off += users - held - settled;
  return off === 0n ? "balances exact" : `balances off by ${off} nano-USD`;
}

function measureScript({ quick }: BenchOptions): Promise<Measured> {
  return withRedis(async ({ looker, open }) => {
    const count = quick ? COUNTS.quick : COUNTS.full;
    const store = await open();
    await store.reserve(request(count + 1, Date.now()));
    const cpuBefore = await mainThreadUs(looker);
    await looker.config("RESETSTAT");
    const { totalMs } = await timed(count, (number) => store.reserve(request(number, Date.now())));
    const cpu = (await mainThreadUs(looker)) - cpuBefore;
    const stats = await looker.info("commandstats");
    const mean = Number(/cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(stats)?.[1] ?? Number.NaN);
    const latency = await looker.info("latencystats");
    const [, p50, p99] = /_evalsha:p50=([\d.]+),p99=([\d.]+)/.exec(latency) ?? [];
    const exact = await exactness(store, BigInt(count + 1) * HELD, 0n);
    const row: Row = {
      name: REDIS_SCRIPT.name,
      note:
        `mean ${round(mean)} µs in the script, ` +
        `${round(cpu / count)} µs of its CPU with the network; ${exact}`,
      p50_us: round(Number(p50)),
      p99_us: round(Number(p99)),
      per_second: Math.round((count / totalMs) * 1_000),
    };
    return { met: mean <= SCRIPT_US, row };
  });
}

async function mainThreadUs(looker: Redis): Promise<number> {
  const info = await looker.info("cpu");
  const seconds = ["user", "sys"].map((kind) =>
    Number(new RegExp(`used_cpu_${kind}_main_thread:([\\d.]+)`).exec(info)?.[1] ?? Number.NaN),
  );
  return seconds.reduce((sum, one) => sum + one, 0) * 1e6;
}

function measurePairs({ quick }: BenchOptions): Promise<Measured> {
  return withRedis(async ({ looker, open }) => {
    const count = quick ? COUNTS.quick : COUNTS.full;
    const bytes = await bytesOf(looker, await open());
    await looker.flushall();
    const store = await open();
    const { latencies, totalMs } = await timed(count, async (number) => {
      const nowMs = Date.now();
      await store.reserve(request(number, nowMs));
      await store.settle(
        reportOf(number, { chargedNanoUsd: CHARGED, nowMs, tokens: 100n, digest: "d" }),
      );
    });
    const note = `${await exactness(store, 0n, BigInt(count) * CHARGED)}; ${bytes}`;
    const row = rowOf(REDIS_RESERVE_SETTLE.name, latencies, totalMs, note);
    return { met: row.per_second >= PAIRS_PER_SECOND, row };
  });
}

/** Memory of Redis per scope and per open reservation. */
async function bytesOf(looker: Redis, store: RedisStateStore): Promise<string> {
  const used = async (key: string) => Number(await looker.memory("USAGE", key, "SAMPLES", 0));
  const COUNT = 500;
  await timed(COUNT, (number) => store.reserve(request(number, Date.now())));
  const [state = ""] = await looker.keys("weir:2:{*}:state");
  const scopes = Object.keys(await looker.hgetall(state)).filter((name) => name.startsWith("s:"));
  const perScope = (await used(state)) / scopes.length;
  const slot = state.slice(0, state.lastIndexOf(":"));
  const reservation = await used(`${slot}:reservation:${idOf(1)}`);
  const [intent = ""] = await looker.keys("weir:2:{*}:intent:*");
  const deadline = (await used(`${slot}:deadlines`)) / COUNT;
  const perReservation = reservation + (await used(intent)) + deadline;
  return `${Math.round(perScope)} B per scope, ${Math.round(perReservation)} B per open reservation`;
}
