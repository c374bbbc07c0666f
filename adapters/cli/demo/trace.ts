import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { WeirError } from "../../../engine/errors.ts";
import { LIMITS } from "../../../engine/limits.ts";

/** One call of a trace. */
export interface TraceCall {
  /** Milliseconds since the first call. */
  readonly offsetMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const TIME = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(\.\d{1,9})?(?:Z|\+00:00)?$/;

type Wrong = (what: string) => WeirError;

/**
 * The first `max` calls of a trace in one of two forms, one call a line in the order of time:
 * - of the Azure LLM inference traces: a header, then "2023-11-16 18:15:46.6805900,374,44";
 * - of the Mooncake traces: {"timestamp": 27000, "input_length": 6758, "output_length": 500}, times in
 *   milliseconds, other members ignored.
 * The first line that is of another form is `config.invalid`, with its number and what is accepted.
 */
export async function readTrace(path: string, max: number): Promise<readonly TraceCall[]> {
  const calls: TraceCall[] = [];
  let number = 0;
  let startMs = 0;
  let beforeMs = 0;
  let parse: typeof parseRow = parseRow;
  const stream = createReadStream(path, { encoding: "utf8" });
  try {
    for await (const text of createInterface({
      crlfDelay: Number.POSITIVE_INFINITY,
      input: stream,
    })) {
      number += 1;
      const wrong = (what: string) => invalid(`trace ${path}, line ${number}: ${what}`);
      if (number === 1) {
        const first = text.replace(/^\u{feff}/u, "").trim();
        if (first === HEADER) continue;
        if (!first.startsWith("{"))
          throw wrong(
            `the header is ${quote(text)}; accepted is ${HEADER}, or a JSON object on every line`,
          );
        parse = parseObject;
      }
      if (text.trim() === "") continue;
      const { atMs, ...tokens } = parse(text, wrong);
      if (calls.length === 0) startMs = atMs;
      else if (atMs < beforeMs)
        throw wrong("the time is before that of the line above; calls are in the order of time");
      beforeMs = atMs;
      calls.push({ offsetMs: atMs - startMs, ...tokens });
      if (calls.length === max) break;
    }
  } catch (thrown) {
    if (thrown instanceof WeirError) throw thrown;
    const missing = (thrown as NodeJS.ErrnoException).code === "ENOENT";
    throw invalid(
      `trace ${path}: ${missing ? "there is no such file" : (thrown as Error).message}`,
    );
  } finally {
    stream.destroy();
  }
  if (calls.length === 0)
    throw invalid(`trace ${path} holds no calls; accepted is ${HEADER} and one call a line`);
  return calls;
}

function parseRow(text: string, wrong: Wrong) {
  const fields = text.split(",").map((field) => field.trim());
  const [time, input, output] = fields;
  if (fields.length !== 3 || time === undefined) {
    throw wrong(`${fields.length} fields in ${quote(text)}; accepted are 3: ${HEADER}`);
  }
  return {
    atMs: parseTime(time, wrong),
    inputTokens: parseCount("ContextTokens", input ?? "", wrong),
    outputTokens: parseCount("GeneratedTokens", output ?? "", wrong),
  };
}

function parseObject(text: string, wrong: Wrong) {
  const call = objectOf(text);
  if (call === null) throw wrong(`${quote(text)} is not a JSON object`);
  const count = (field: string, max: number): number => {
    const value = call[field];
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max)
      return value as number;
    throw wrong(
      `${field} ${quote(JSON.stringify(value) ?? "")} is not a whole number from 0 to ${max}`,
    );
  };
  return {
    atMs: count("timestamp", Number.MAX_SAFE_INTEGER),
    inputTokens: count("input_length", LIMITS.tokens),
    outputTokens: count("output_length", LIMITS.tokens),
  };
}

function objectOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text.replace(/^\u{feff}/u, ""));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function parseTime(text: string, wrong: Wrong): number {
  const [, day = "", time = "", fraction = ""] = TIME.exec(text) ?? [];
  const iso = `${day}T${time}.${fraction.slice(1, 4).padEnd(3, "0")}Z`;
  const atMs = day === "" ? Number.NaN : Date.parse(iso);
  // The 31st of February would be read as a day of March.
  if (Number.isFinite(atMs) && new Date(atMs).toISOString() === iso) return atMs;
  throw wrong(
    `TIMESTAMP ${quote(text)} is not a UTC time; accepted is 2023-11-16 18:15:46.6805900`,
  );
}

function parseCount(field: string, text: string, wrong: Wrong): number {
  const count = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= LIMITS.tokens) return count;
  throw wrong(`${field} ${quote(text)} is not a whole number from 0 to ${LIMITS.tokens}`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function invalid(message: string): WeirError {
  return new WeirError("config.invalid", message);
}
