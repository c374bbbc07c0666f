import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { Driver, openBenchEngine } from "./engine.ts";

export interface MemoryReport {
  /** After a fifth, three fifths and all of the calls, garbage collected. */
  readonly readings: readonly MemoryReading[];
  readonly latencies: Float64Array;
  readonly totalMs: number;
}

export interface MemoryReading {
  readonly done: number;
  readonly heap: number;
  readonly rss: number;
  /** Reservations in the store. */
  readonly kept: number;
}

/**
 * Run as a process with --expose-gc. The calls spread over 5,000 s of the stepped clock: a
 * reservation is kept for some 13 minutes, so from the first reading on as many leave as come.
 */
const SPAN_S = 5_000;
const [count] = process.argv.slice(2).map(Number) as [number];
const engine = await openBenchEngine();
const driver = new Driver(engine);
const readings: MemoryReading[] = [];
const checkpoints = [count / 5, (count * 3) / 5, count];

const { latencies, totalMs } = await driver.drive({
  callsPerSecond: count / SPAN_S,
  count,
  inFlight: 32,
  onDone: async (done) => {
    if (done % 20_000 === 0) dropClosedSegments();
    if (checkpoints.includes(done)) readings.push(await read(done));
  },
});
const report: MemoryReport = { latencies, readings, totalMs };
process.on("disconnect", () => void engine.close());
process.send?.(report);

async function read(done: number): Promise<MemoryReading> {
  // A few turns, so that calls in flight do not keep what is about to go.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.();
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { done, heap: heapUsed, kept: engine.store.reservations.size, rss };
}

/** The whole log would fill the disk. */
function dropClosedSegments(): void {
  const folder = join(engine.folder, "log");
  const segments = readdirSync(folder).toSorted();
  for (const segment of segments.slice(0, -1)) rmSync(join(folder, segment));
}
