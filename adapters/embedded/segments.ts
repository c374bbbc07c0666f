import { closeSync, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";
import { type LogLine, RECORD_VERSION } from "../../engine/record/record.ts";

/**
 * A segment is text: one line per record, `NUMBER CRC JSON`. The number counts every line of the log
 * from 1 without a gap; the checksum is CRC-32 over `NUMBER JSON`, 8 hex digits.
 */
export interface NumberedLine {
  readonly number: number;
  readonly line: LogLine;
}

/** Lines on their way to a segment, as the bytes that are written. */
export class LineBuffer {
  #bytes = Buffer.allocUnsafe(LINES_BYTES);
  #used = 0;

  /** Takes a line in, encoded once for both the checksum and the disk. */
  add(number: number, json: string): void {
    const head = `${number} `;
    const jsonAt = this.#used + head.length + CHECKSUM_CHARS + 1;
    this.#grow(jsonAt + json.length * 3 + 1);
    const bytes = this.#bytes;
    const end = jsonAt + bytes.write(json, jsonAt, "utf8");
    const sum = crc32(bytes.subarray(jsonAt, end), crc32(head));
    bytes.write(`${head}${hex(sum)} `, this.#used, "latin1");
    bytes[end] = NEWLINE;
    this.#used = end + 1;
  }

  /** Everything taken in since the last call; valid until the next line comes. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    return taken;
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(wider, 0, 0, this.#used);
    this.#bytes = wider;
  }
}

const LINES_BYTES = 1 << 18;
const CHECKSUM_CHARS = 8;

/** Names of a log's segments in order. Each is named after the number of its first line. */
export function listSegments(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d{12}\.log$/.test(name))
    .toSorted();
}

export function segmentName(firstNumber: number): string {
  return `${String(firstNumber).padStart(12, "0")}.log`;
}

/** One line as bytes, with its place; `whole` is false for a last line without its newline. */
export interface RawLine {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly whole: boolean;
}

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;

/** Reads a segment line by line, a chunk at a time. */
export function* rawLines(path: string): Generator<RawLine> {
  const file = openSync(path, "r");
  try {
    let rest: Buffer = Buffer.alloc(0);
    let offset = 0;
    for (let position = 0; ;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) break;
      position += length;
      const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        yield { bytes: bytes.subarray(start, end), offset: offset + start, whole: true };
        start = end + 1;
      }
      rest = bytes.subarray(start);
      offset += start;
    }
    if (rest.length > 0) yield { bytes: rest, offset, whole: false };
  } finally {
    closeSync(file);
  }
}

/** Takes a line apart and checks it; a string says what is wrong with it. */
export function parseLine(bytes: Buffer): NumberedLine | string {
  const text = bytes.toString("utf8");
  const match = /^(\d+) ([0-9a-f]{8}) (\{.*\})$/s.exec(text);
  if (match === null) return "not of the form NUMBER CRC JSON";
  const [, digits, sum, json] = match as unknown as [string, string, string, string];
  const number = Number(digits);
  if (checksum(number, json) !== sum) return "the checksum does not match";
  const line = JSON.parse(json) as LogLine;
  const version: number = line.v;
  if (version !== RECORD_VERSION)
    return `version ${version} is unknown; this Weir reads ${RECORD_VERSION}`;
  return { line, number };
}

/** Every line of a log in order. A damaged line or a gap is `log.corrupt`, with file and line. */
export function* readLog(folder: string): Generator<NumberedLine> {
  let expected = 1;
  for (const name of listSegments(folder)) {
    let position = 0;
    for (const raw of rawLines(join(folder, name))) {
      position += 1;
      const parsed = raw.whole ? parseLine(raw.bytes) : "the line is cut short";
      if (typeof parsed === "string") throw corrupt(join(folder, name), position, parsed);
      if (parsed.number !== expected) {
        const what = `line ${expected} is missing: ${parsed.number} follows ${expected - 1}`;
        throw corrupt(join(folder, name), position, what);
      }
      expected = parsed.number + 1;
      yield parsed;
    }
  }
}

export function corrupt(file: string, position: number, what: string): WeirError {
  return new WeirError("log.corrupt", `${file}:${position}: ${what}`);
}

function checksum(number: number, json: string): string {
  return hex(crc32(`${number} ${json}`));
}

function hex(sum: number): string {
  return sum.toString(16).padStart(CHECKSUM_CHARS, "0");
}
