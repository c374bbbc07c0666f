import { Child } from "./child.ts";
import type { MemoryReport } from "./memory-child.ts";
import { type Bench, type BenchOptions, type Measured, quantile, round } from "./row.ts";

const COUNTS = { full: 1_000_000, quick: 20_000 };
/** Growth from the first reading to the last that counts as none. */
const NOISE = 0.05;

export const MEMORY_MILLION: Bench = {
  name: "memory_million",
  run: measure,
  target: "heap grows ≤ 5 %",
  what: "a million decisions and reports in process, memory after each part",
};

async function measure(options: BenchOptions): Promise<Measured> {
  const count = options.quick ? COUNTS.quick : COUNTS.full;
  const child = new Child("memory-child.ts", [String(count)], ["--expose-gc"]);
  try {
    const { latencies, readings, totalMs } = await child.ask<MemoryReport>();
    const sorted = latencies.toSorted();
    const [first, , last] = readings as [
      MemoryReport["readings"][0],
      unknown,
      MemoryReport["readings"][0],
    ];
    const shown = readings.map(
      ({ done, heap, kept, rss }) =>
        `${done.toLocaleString("en-US")}: heap ${mb(heap)}, rss ${mb(rss)}, ${kept} kept`,
    );
    const bytes = (last.heap - first.heap) / (last.done - first.done);
    const row = {
      name: MEMORY_MILLION.name,
      note: `after ${shown.join("; ")}; ${round(bytes)} B of heap more per decision between`,
      p50_us: round(quantile(sorted, 0.5)),
      p99_us: round(quantile(sorted, 0.99)),
      per_second: Math.round((count / totalMs) * 1_000),
    };
    return { met: last.heap <= first.heap * (1 + NOISE), row };
  } finally {
    await child.close();
  }
}

function mb(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
