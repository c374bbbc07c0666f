import { FieldReader } from "../intent/fields.ts";
import { invalid } from "../intent/parse.ts";
import { LIMITS } from "../limits.ts";

/**
 * Tokens of one call, normalised: `input` includes cache reads and writes, `output` includes
 * reasoning. Whole numbers from 0 to LIMITS.reportedTokens; no part exceeds its whole.
 */
export interface Usage {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Untrusted counts to a Usage; absent is 0. Throws `report.invalid` that names every wrong field. */
export function checkUsage(raw: unknown): Usage {
  const read = new FieldReader();
  const usage = readUsage(read, raw, "usage");
  if (read.violations.length > 0) throw invalid("report.invalid", "usage", read);
  return usage;
}

/** The same for a reader that collects further fields: what is wrong goes to `read`, under `field`. */
export function readUsage(read: FieldReader, raw: unknown, field: string): Usage {
  const counts = read.object(raw, field);
  const count = (value: unknown, name: string): number =>
    read.count(value, `${field}.${name}`, 0, LIMITS.reportedTokens);
  const usage: Usage = {
    cacheRead: count(counts["cacheRead"], "cache_read"),
    cacheWrite1h: count(counts["cacheWrite1h"], "cache_write_1h"),
    cacheWrite5m: count(counts["cacheWrite5m"], "cache_write_5m"),
    input: count(counts["input"], "input"),
    output: count(counts["output"], "output"),
    reasoning: count(counts["reasoning"], "reasoning"),
  };
  const cached = usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
  if (cached > usage.input) {
    read.reject(`${field}.input`, `${usage.input} is below its cache reads and writes, ${cached}`);
  }
  if (usage.reasoning > usage.output) {
    read.reject(`${field}.output`, `${usage.output} is below its reasoning, ${usage.reasoning}`);
  }
  return usage;
}
