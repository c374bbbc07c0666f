import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { compressFile } from "../../adapters/embedded/compressed.ts";
import type { SegmentedLog } from "../../adapters/embedded/log.ts";
import { listSegments } from "../../adapters/embedded/segments.ts";
import { AuditLog } from "../../adapters/serve/audit-log.ts";
import { systemClock } from "../../adapters/system/clock.ts";
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
    const audit = new AuditLog(LOG_SETTINGS, {
      clock: systemClock,
      data: folder,
      logFolder: join(folder, "log"),
      onNote: fail,
    });
    await audit.begin();
    const { log } = audit;
    await appendAll(log, calls, 1);
    const before = log.lastNumber;
    const { latencies, totalMs } = await appendAll(log, calls, rounds);
    const records = log.lastNumber - before;
    await audit.close();
    const sealed = Math.round((await sealAll(join(folder, "log"))) / log.lastNumber);
    const perSecond = Math.round((records / totalMs) * 1_000).toLocaleString("en-US");
    const note = `${IN_FLIGHT} in flight, hashed and signed; ${perSecond} records/s, ${sealed} B on disk per record once its segment is closed`;
    return { met: null, row: rowOf(LOG_APPEND.name, latencies, totalMs, note) };
  } finally {
    rmSync(folder, { force: true, recursive: true });
  }
}

/** As a service has them by default, but that segments are compressed after the measurement. */
export const LOG_SETTINGS = {
  checkpointIntervalMs: 10_000,
  checkpointRecords: 1_000,
  logSegmentMebibytes: 1_024,
  logSync: "interval",
  logSyncIntervalMs: 100,
  witness: null,
  witnessKey: null,
} as const;

/** Compresses every segment as a service does it with closed ones; their bytes then. */
async function sealAll(folder: string): Promise<number> {
  for (const name of listSegments(folder)) await compressFile(join(folder, name), () => false);
  return bytesIn(folder);
}

/** The lines that the log got of each of `count` calls. */
export async function capture(count: number): Promise<readonly (readonly LogLine[])[]> {
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

export async function appendAll(
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

export function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

export function fail(note: Error): never {
  throw note;
}
