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

/**
 * The first `max` calls of a trace in the form of the Azure LLM inference traces: a header, then one
 * call a line in the order of time, "2023-11-16 18:15:46.6805900,374,44". The first line that is of
 * another form is `config.invalid`, with its number and what is accepted.
 */
export async function readTrace(path: string, max: number): Promise<readonly TraceCall[]> {
  const calls: TraceCall[] = [];
  let number = 0;
  let startMs = 0;
  let beforeMs = 0;
  const stream = createReadStream(path, { encoding: "utf8" });
  try {
    for await (const text of createInterface({
      crlfDelay: Number.POSITIVE_INFINITY,
      input: stream,
    })) {
      number += 1;
      const wrong = (what: string) => invalid(`trace ${path}, line ${number}: ${what}`);
      if (number === 1) {
        if (text.replace(/^\u{feff}/u, "").trim() === HEADER) continue;
        throw wrong(`the header is ${quote(text)}; accepted is ${HEADER}`);
      }
      if (text.trim() === "") continue;
      const { atMs, ...tokens } = parseCall(text, wrong);
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

function parseCall(text: string, wrong: (what: string) => WeirError) {
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

function parseTime(text: string, wrong: (what: string) => WeirError): number {
  const [, day = "", time = "", fraction = ""] = TIME.exec(text) ?? [];
  const iso = `${day}T${time}.${fraction.slice(1, 4).padEnd(3, "0")}Z`;
  const atMs = day === "" ? Number.NaN : Date.parse(iso);
  // The 31st of February would be read as a day of March.
  if (Number.isFinite(atMs) && new Date(atMs).toISOString() === iso) return atMs;
  throw wrong(
    `TIMESTAMP ${quote(text)} is not a UTC time; accepted is 2023-11-16 18:15:46.6805900`,
  );
}

function parseCount(field: string, text: string, wrong: (what: string) => WeirError): number {
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
