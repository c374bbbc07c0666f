import { type FieldReader, show } from "../intent/fields.ts";
import type { ServiceTier } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import type { Usage } from "../pricing/usage.ts";
import { FORMAT_NAMES } from "../provider/format.ts";
import { readUsageJson } from "../provider/response.ts";
import { COUNT_MAX, namesOfUnknown } from "../provider/usage.ts";
import type { Outcome, RawReport } from "./report.ts";

/** What a provider's own usage says. */
export interface RawUsageReading {
  /** Null where the report carries none, or it is refused. */
  readonly usage: Usage | null;
  readonly outcome: Outcome | "";
  readonly serviceTier: ServiceTier | "";
  readonly unknown: readonly string[];
}

/** Reads `raw_usage` of a report, where it has one; what is wrong goes to `read`. */
export function readRawUsage(read: FieldReader, report: RawReport): RawUsageReading {
  const { rawUsage } = report;
  if (rawUsage === undefined || rawUsage === null) return NONE;
  if (report.usage !== undefined && report.usage !== null) {
    read.reject("raw_usage", "given beside usage; one of the two is accepted");
    return NONE;
  }
  const given = read.object(rawUsage, "raw_usage");
  const before = read.violations.length;
  const format = read.choice(given["format"], "raw_usage.format", FORMAT_NAMES, null);
  const json = readJson(read, given["json"]);
  if (read.violations.length > before) return NONE;
  const reading = readUsageJson(format, json);
  const { outcome, serviceTier, unknownFields, usage } = reading;
  if (usage === null) {
    read.reject("raw_usage.json", `holds no usage in the form of ${format}`);
    return NONE;
  }
  if (reading.isImplausible === true) {
    const what = `a count in it is above ${COUNT_MAX - 1} tokens, more than a call can use`;
    read.reject("raw_usage.json", what);
    return NONE;
  }
  return { outcome, serviceTier, unknown: namesOfUnknown(format, unknownFields), usage };
}

const NONE: RawUsageReading = { outcome: "", serviceTier: "", unknown: [], usage: null };

/** JSON as text; what came as JSON already is taken as it is. */
function readJson(read: FieldReader, value: unknown): unknown {
  const field = "raw_usage.json";
  if (typeof value === "object" && value !== null) return value;
  if (typeof value !== "string" || value === "") {
    read.reject(
      field,
      value === undefined || value === "" ? "missing" : `${show(value)} is not JSON`,
    );
    return undefined;
  }
  const bytes = Buffer.byteLength(value);
  if (bytes > LIMITS.rawUsageBytes) {
    read.reject(field, `${bytes} bytes, at most ${LIMITS.rawUsageBytes} are accepted`);
    return undefined;
  }
  try {
    return JSON.parse(value) as unknown;
  } catch {
    read.reject(field, `${show(value)} is not JSON`);
    return undefined;
  }
}
