import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import type { Profile } from "../../adapters/cli/envoy/configuration.ts";
import { CheckClient } from "../support/check.ts";
import { SEARCH } from "../support/envoy.ts";
import { type Asked, CHAT_4K, type EnvoyStand, openEnvoyStand } from "./envoy-stand.ts";
import { type Bench, type BenchOptions, type Measured, quantile, round, rowOf } from "./row.ts";

interface Shape {
  readonly name: string;
  readonly what: string;
  readonly profile: Profile;
  readonly asked: Asked;
  readonly inFlight: number;
}

const COMPARED = 16;
const SHAPES: readonly Shape[] = [
  {
    asked: "nobody",
    inFlight: COMPARED,
    name: "envoy_alone",
    profile: "default",
    what: `a chat of 4 KiB through an Envoy that asks nobody, ${COMPARED} at a time`,
  },
  {
    asked: "allow",
    inFlight: COMPARED,
    name: "envoy_always_allow",
    profile: "default",
    what: "the same, default profile, with a server that always allows",
  },
  weir("default", 1),
  weir("default", COMPARED),
  weir("ext_proc", 1),
  weir("ext_proc", COMPARED),
];

function weir(profile: Profile, inFlight: number): Shape {
  const name = `envoy_${profile}_c${inFlight}`;
  const what = `the same, profile ${profile}, decided and settled by Weir, ${inFlight} at a time`;
  return { asked: "weir", inFlight, name, profile, what };
}

const CHECK_TARGET_US = { p50: 1_500, p99: 5_000 };
const CHECKS_PER_SECOND = 500;

const ENVOY_CHECK: Bench = {
  name: "envoy_check",
  run: measureCheck,
  target: "p50 ≤ 1.5 ms, p99 ≤ 5 ms",
  what: `Check of a chat of 4 KiB, ${CHECKS_PER_SECOND} a second`,
};

const ENVOY_CHUNK: Bench = {
  name: "envoy_ext_proc_chunk",
  run: measureChunks,
  target: "",
  what: "one chunk of a stream from the provider to the client, profile ext_proc",
};

/** Calls through a real Envoy, with client and provider in one process beside it. */
export const ENVOY: readonly Bench[] = [
  ...SHAPES.map((shape) => ({
    name: shape.name,
    run: (options: BenchOptions) => measureCalls(shape, options),
    target: "",
    what: shape.what,
  })),
  ENVOY_CHECK,
  ENVOY_CHUNK,
];

const SECONDS = { full: { measured: 8, warmUp: 4 }, quick: { measured: 1, warmUp: 0.5 } };

async function withStand(
  { asked, profile }: Pick<Shape, "asked" | "profile">,
  work: (stand: EnvoyStand) => Promise<Measured>,
): Promise<Measured> {
  const stand = await openEnvoyStand(profile, asked);
  try {
    return await work(stand);
  } finally {
    await stand.close();
  }
}

function measureCalls(shape: Shape, { quick }: BenchOptions): Promise<Measured> {
  const seconds = quick ? SECONDS.quick : SECONDS.full;
  const { asked, inFlight, name } = shape;
  return withStand(shape, async (stand) => {
    await run(stand, shape, seconds.warmUp);
    const before = await stand.child.ask<number>("cpu");
    const { latencies, totalMs } = await run(stand, shape, seconds.measured);
    const cpuUs = ((await stand.child.ask<number>("cpu")) - before) / latencies.length;
    const cpu = asked === "nobody" ? "" : `; ${Math.round(cpuUs)} µs CPU each in what is asked`;
    return { met: null, row: rowOf(name, latencies, totalMs, `${inFlight} in flight${cpu}`) };
  });
}

async function run(stand: EnvoyStand, { asked, inFlight }: Shape, seconds: number) {
  const latencies: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  const worker = async (): Promise<void> => {
    for (;;) {
      const beginMs = performance.now();
      if (beginMs >= endMs) return;
      const effect = await stand.call();
      latencies.push((performance.now() - beginMs) * 1_000);
      if (asked === "weir" && effect !== "allow")
        throw new Error(`a call is not allowed: ${effect}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { latencies: Float64Array.from(latencies), totalMs: performance.now() - startMs };
}

/** At a fixed pace, as it comes: a late answer delays no other call. */
function measureCheck({ quick }: BenchOptions): Promise<Measured> {
  const seconds = quick ? SECONDS.quick : SECONDS.full;
  return withStand({ asked: "weir", profile: "default" }, async ({ key, port }) => {
    const client = new CheckClient(port);
    const headers = { authorization: `Bearer ${key}`, ...SEARCH };
    const paced = async (duration: number) => {
      const latencies: number[] = [];
      const open: Promise<void>[] = [];
      const startMs = performance.now();
      for (let sent = 0; sent < duration * CHECKS_PER_SECOND; sent += 1) {
        const dueMs = startMs + (sent * 1_000) / CHECKS_PER_SECOND;
        if (dueMs > performance.now()) await sleep(dueMs - performance.now());
        const beginMs = performance.now();
        const check = client.check({ body: CHAT_4K, headers }).then(({ code }) => {
          latencies.push((performance.now() - beginMs) * 1_000);
          if (code !== 0) throw new Error(`a Check is answered with ${code}`);
        });
        open.push(check);
      }
      await Promise.all(open);
      return { latencies: Float64Array.from(latencies), totalMs: performance.now() - startMs };
    };
    await paced(seconds.warmUp);
    const { latencies, totalMs } = await paced(seconds.measured);
    client.close();
    const row = rowOf(ENVOY_CHECK.name, latencies, totalMs, "without Envoy, over one connection");
    const met = row.p50_us <= CHECK_TARGET_US.p50 && row.p99_us <= CHECK_TARGET_US.p99;
    return { met, row };
  });
}

const STREAMS = { full: 1_000, quick: 20 };
const EVENTS = { full: 2_000, quick: 100 };
const EVENT_GAP_MS = 2;

async function measureChunks({ quick }: BenchOptions): Promise<Measured> {
  const other = await delaysOf("default", quick);
  const own = await delaysOf("ext_proc", quick);
  const added = quantile(own.delays.toSorted(), 0.5) - quantile(other.delays.toSorted(), 0.5);
  const note =
    `${round(added)} µs more than in profile default (p50); ` +
    `${round(own.bytesPerStream / 1_024)} KiB of memory in Weir for each of ${own.streams} open streams`;
  return { met: null, row: rowOf(ENVOY_CHUNK.name, own.delays, own.totalMs, note) };
}

async function delaysOf(profile: Profile, quick: boolean) {
  const stand = await openEnvoyStand(profile, "weir");
  try {
    const delays: number[] = [];
    await stand.stream((delayMs) => delays.push(delayMs * 1_000));
    const events = quick ? EVENTS.quick : EVENTS.full;
    const startMs = performance.now();
    for (let sent = 0; sent < events; sent += 1) {
      stand.event();
      await sleep(EVENT_GAP_MS);
    }
    while (delays.length < events) await sleep(EVENT_GAP_MS);
    const totalMs = performance.now() - startMs;
    stand.endStreams();
    const streams = quick ? STREAMS.quick : STREAMS.full;
    const before = await stand.child.ask<number>("memory");
    for (let open = 0; open < streams; open += 1) await stand.stream(() => {});
    stand.event();
    await sleep(500);
    const bytesPerStream = ((await stand.child.ask<number>("memory")) - before) / streams;
    stand.endStreams();
    return { bytesPerStream, delays: Float64Array.from(delays), streams, totalMs };
  } finally {
    await stand.close();
  }
}
