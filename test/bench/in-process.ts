import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { SegmentedLog } from "../../adapters/embedded/log.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { Driver, openBenchEngine } from "./engine.ts";
import { CpuProfiler, dearestOf, sharesOf } from "./profile.ts";
import { type Bench, type BenchOptions, type Measured, rowOf } from "./row.ts";

const TARGET = 6_000;
const IN_FLIGHT = 32;
/** Pace of the stepped clock. */
const CALLS_PER_SECOND = 500;
const COUNTS = {
  full: { measured: 60_000, profiled: 30_000, warmUp: 6_000 },
  quick: { measured: 3_000, profiled: 2_000, warmUp: 2_000 },
};

export const DECIDE_IN_PROCESS: Bench = {
  name: "decide_in_process",
  run: measureDecide,
  target: `≥ ${TARGET.toLocaleString("en-US")}/s`,
  what: "decision and final report in process, log written",
};

async function measureDecide(options: BenchOptions): Promise<Measured> {
  const counts = options.quick ? COUNTS.quick : COUNTS.full;
  const engine = await openBenchEngine();
  try {
    const driver = new Driver(engine);
    const course = { callsPerSecond: CALLS_PER_SECOND, inFlight: IN_FLIGHT };
    await driver.drive({ ...course, count: counts.warmUp });
    const before = process.cpuUsage();
    const { latencies, totalMs } = await driver.drive({ ...course, count: counts.measured });
    const { system, user } = process.cpuUsage(before);
    const profiler = new CpuProfiler();
    await profiler.start();
    await driver.drive({ ...course, count: counts.profiled });
    const profile = await profiler.stop();
    const cpuUs = Math.round((system + user) / latencies.length);
    const shares = sharesOf(profile, ["evaluation", "state", "log", "gc"]);
    const note = `${IN_FLIGHT} in flight; ${cpuUs} µs CPU each: ${shares}`;
    const row = rowOf(DECIDE_IN_PROCESS.name, latencies, totalMs, note);
    if (row.per_second >= TARGET) return { met: true, row };
    return { met: false, row: { ...row, note: `${note}; dearest: ${dearestOf(profile)}` } };
  } finally {
    await engine.close();
  }
}

export const LOG_APPEND: Bench = {
  name: "log_append",
  run: measureLog,
  target: "",
  what: "the lines of one decision and its report, written to the log",
};

async function measureLog(options: BenchOptions): Promise<Measured> {
  const calls = await capture(500);
  const rounds = options.quick ? 2 : 60;
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    const log = new SegmentedLog({
      folder,
      segmentBytes: 64 << 20,
      sync: "interval",
      syncIntervalMs: 100,
    });
    await appendAll(log, calls, 1);
    const before = bytesIn(folder);
    const { latencies, totalMs } = await appendAll(log, calls, rounds);
    const written = bytesIn(folder) - before;
    await log.close();
    const bytes = Math.round(written / latencies.length);
    const megabytes = Math.round(written / totalMs / 1_000);
    const note = `${IN_FLIGHT} in flight; ${bytes} B on disk per decision with its report, ${megabytes} MB/s`;
    return { met: null, row: rowOf(LOG_APPEND.name, latencies, totalMs, note) };
  } finally {
    rmSync(folder, { force: true, recursive: true });
  }
}

/** The lines that the log got of each of `count` calls. */
async function capture(count: number): Promise<readonly (readonly LogLine[])[]> {
  const calls = new Map<string, LogLine[]>();
  const engine = await openBenchEngine(({ log }) => ({
    log: {
      append: (line) => {
        const id = "decision_id" in line ? line.decision_id : "id" in line ? line.id : "";
        const lines = calls.get(id) ?? [];
        calls.set(id, lines);
        lines.push(line);
        return log.append(line);
      },
    },
  }));
  try {
    await new Driver(engine).drive({
      callsPerSecond: CALLS_PER_SECOND,
      count,
      inFlight: IN_FLIGHT,
    });
    return [...calls.values()];
  } finally {
    await engine.close();
  }
}

async function appendAll(
  log: SegmentedLog,
  calls: readonly (readonly LogLine[])[],
  rounds: number,
) {
  const latencies = new Float64Array(calls.length * rounds);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < latencies.length) {
      const slot = next;
      next += 1;
      const beginMs = performance.now();
      // Each line waits for the one before it, as a decision and its report do.
      for (const line of calls[slot % calls.length] as readonly LogLine[]) await log.append(line);
      latencies[slot] = (performance.now() - beginMs) * 1_000;
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return { latencies, totalMs: performance.now() - startMs };
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
