import { closeSync, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";
import { type LogLine, RECORD_VERSION } from "../../engine/record/record.ts";
import { compressedChunks } from "./compressed.ts";

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
  #spare = Buffer.allocUnsafe(LINES_BYTES);
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

  /** Everything taken in since the last call; valid until the next call has been made. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#used);
    [this.#bytes, this.#spare] = [this.#spare, this.#bytes];
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

/**
 * Names of a log's segments in order, each after the number of its first line. A sealed segment may
 * lie compressed under its name and `.zst`.
 */
export function listSegments(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder)
    .filter((name) => /^\d{12}\.log(\.zst)?$/.test(name))
    .map((name) => name.replace(/\.zst$/, ""));
  return [...new Set(names)].toSorted();
}

/** Where a closed segment lies once it is compressed. */
export function compressedName(name: string): string {
  return `${name}.zst`;
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
const BLANK = 0x20;

/** Reads a segment line by line, a chunk at a time. */
export function* rawLines(path: string): Generator<RawLine> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for (const chunk of chunksOf(path)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield { bytes: bytes.subarray(start, end), offset: offset + start, whole: true };
      start = end + 1;
    }
    rest = bytes.subarray(start);
    offset += start;
  }
  if (rest.length > 0) yield { bytes: rest, offset, whole: false };
}

/** A segment's bytes; of one that was compressed meanwhile, what it held. */
function* chunksOf(path: string): Generator<Buffer> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    yield* compressedChunks(compressedName(path));
    return;
  }
  try {
    for (let position = 0; ;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) return;
      position += length;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** A line taken apart, its checksum checked, its JSON as the bytes that were written. */
export interface Frame {
  readonly number: number;
  readonly bytes: Buffer;
  /** Where the JSON begins; it goes to the end. */
  readonly jsonAt: number;
}

/** Where the JSON of a line begins that is known to be whole: one of our own. */
export function jsonStart(lines: Buffer, start: number): number {
  return lines.indexOf(BLANK, start) + 1 + CHECKSUM_CHARS + 1;
}

/** Takes a line apart and checks its sum; a string says what is wrong with it. */
export function frameOf(bytes: Buffer): Frame | string {
  const blank = bytes.indexOf(BLANK);
  const digits = bytes.toString("latin1", 0, Math.max(blank, 0));
  const jsonAt = blank + 1 + CHECKSUM_CHARS + 1;
  const sum = bytes.toString("latin1", blank + 1, jsonAt - 1);
  const isFramed =
    /^\d{1,15}$/.test(digits) &&
    /^[0-9a-f]{8}$/.test(sum) &&
    bytes[jsonAt - 1] === BLANK &&
    bytes[jsonAt] === 0x7b &&
    bytes.at(-1) === 0x7d;
  if (!isFramed) return "not of the form NUMBER CRC JSON";
  if (hex(crc32(bytes.subarray(jsonAt), crc32(`${digits} `))) !== sum) {
    return "the checksum does not match";
  }
  return { bytes, jsonAt, number: Number(digits) };
}

/** Takes a line apart, checks and reads it; a string says what is wrong with it. */
export function parseLine(bytes: Buffer): NumberedLine | string {
  const frame = frameOf(bytes);
  return typeof frame === "string" ? frame : readFrame(frame);
}

/** Reads the record in a frame; a string says what is wrong with it. */
export function readFrame({ bytes, jsonAt, number }: Frame): NumberedLine | string {
  const line = JSON.parse(bytes.toString("utf8", jsonAt, bytes.length)) as LogLine;
  const version: number = line.v;
  if (version !== RECORD_VERSION)
    return `version ${version} is unknown; this Weir reads ${RECORD_VERSION}`;
  return { line, number };
}

/** A frame, and the record in it. */
export interface FramedLine extends NumberedLine {
  readonly frame: Frame;
}

/** Every line of a log in order, as bytes. A damaged line or a gap is `log.corrupt`, with its place. */
export function* readFrames(folder: string): Generator<Frame> {
  for (const { frame } of placedFrames(folder)) yield frame;
}

/** The record in a frame of a log, with the frame. */
export function* readFramedLog(folder: string): Generator<FramedLine> {
  for (const { at, frame } of placedFrames(folder)) {
    const parsed = readFrame(frame);
    if (typeof parsed === "string") throw corrupt(at.path, at.position, parsed);
    yield { ...parsed, frame };
  }
}

interface PlacedFrame {
  readonly at: { readonly path: string; readonly position: number };
  readonly frame: Frame;
}

function* placedFrames(folder: string): Generator<PlacedFrame> {
  let expected = 1;
  for (const name of listSegments(folder)) {
    const path = join(folder, name);
    let position = 0;
    for (const raw of rawLines(path)) {
      position += 1;
      const frame = raw.whole ? frameOf(raw.bytes) : "the line is cut short";
      if (typeof frame === "string") throw corrupt(path, position, frame);
      if (frame.number !== expected) {
        const what = `line ${expected} is missing: ${frame.number} follows ${expected - 1}`;
        throw corrupt(path, position, what);
      }
      expected += 1;
      yield { at: { path, position }, frame };
    }
  }
}

/** `readFramedLog` for those who need the records alone. */
export function* readLog(folder: string): Generator<NumberedLine> {
  for (const { line, number } of readFramedLog(folder)) yield { line, number };
}

export function corrupt(file: string, position: number, what: string): WeirError {
  return new WeirError("log.corrupt", `${file}:${position}: ${what}`);
}

function hex(sum: number): string {
  return sum.toString(16).padStart(CHECKSUM_CHARS, "0");
}
