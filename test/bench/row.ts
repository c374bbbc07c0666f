/** One line of the table, exactly as `--json` prints it. */
export interface Row {
  readonly name: string;
  readonly per_second: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly note: string;
}

export interface Measured {
  readonly row: Row;
  /** Whether the target was reached; null where there is none. */
  readonly met: boolean | null;
}

export interface BenchOptions {
  /** Fewer runs: shows that a row works, not how fast it is. */
  readonly quick: boolean;
}

export interface Bench {
  readonly name: string;
  /** What the row measures, for the table's reader. */
  readonly what: string;
  /** The target in words; "" for none. */
  readonly target: string;
  run(options: BenchOptions): Promise<Measured>;
}

/** A row from the latencies of single calls, in microseconds, and the time they took together. */
export function rowOf(name: string, latencies: Float64Array, totalMs: number, note: string): Row {
  const sorted = latencies.toSorted();
  return {
    name,
    per_second: Math.round((latencies.length / totalMs) * 1_000),
    p50_us: round(quantile(sorted, 0.5)),
    p99_us: round(quantile(sorted, 0.99)),
    note,
  };
}

export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** One decimal below 100, none above. */
export function round(value: number): number {
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

export function percent(part: number, whole: number): string {
  return `${Math.round((part / whole) * 100)} %`;
}
