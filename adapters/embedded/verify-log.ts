import { existsSync } from "node:fs";
import { join, relative } from "node:path";

import {
  type FoundCheckpoint,
  LogCheck,
  type LogProof,
  type Trust,
} from "../../engine/audit/log-check.ts";
import { leafHash, leafHashWithin } from "../../engine/audit/tree.ts";
import type { ControlRecord, LogLine } from "../../engine/record/record.ts";
import { checkpointsPath, readCheckpoints } from "./checkpoints.ts";
import { type Frame, frameOf, listSegments, rawLines } from "./segments.ts";

/** What a caller wants to see of each record while the log is checked. */
export interface Visitor {
  /** Called with each whole record; what it returns is a problem of that record. */
  readonly visit?: (line: LogLine) => string | null;
}

/**
 * Checks a log folder against its checkpoints without opening it as a service would: every line's
 * form, checksum and number, and every root. Reads a piece at a time and leaves everything as it is;
 * a last line that a kill cut short is passed over, for it was never answered.
 */
export function verifyLog(logFolder: string, trust: Trust, { visit }: Visitor = {}): LogProof {
  const check = new LogCheck(trust, placed(logFolder));
  const segments = listSegments(logFolder);
  const scan = new Scan(check, visit);
  for (const [index, name] of segments.entries()) {
    scan.begin(name, index === segments.length - 1);
    try {
      for (const raw of rawLines(join(logFolder, name))) scan.take(raw.bytes, raw.whole);
    } catch (thrown) {
      check.problem(
        name,
        `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        true,
      );
    }
  }
  return check.finish();
}

function* placed(logFolder: string): Generator<FoundCheckpoint> {
  const path = checkpointsPath(logFolder);
  if (!existsSync(path)) return;
  const file = relative(logFolder, path);
  for (const { checkpoint, position } of readCheckpoints(logFolder)) {
    yield { at: `${file}:${position}`, checkpoint };
  }
}

const CONTROL_HEAD = Buffer.from('{"action":');
const VERSION_TAIL = Buffer.from(',"v":1}');

class Scan {
  readonly #check: LogCheck;
  readonly #visit: ((line: LogLine) => string | null) | undefined;
  #segment = "";
  #isLast = false;
  #position = 0;
  #expected = 1;

  constructor(check: LogCheck, visit: ((line: LogLine) => string | null) | undefined) {
    this.#check = check;
    this.#visit = visit;
  }

  begin(segment: string, isLast: boolean): void {
    this.#segment = segment;
    this.#isLast = isLast;
    this.#position = 0;
  }

  take(bytes: Buffer, whole: boolean): void {
    this.#position += 1;
    if (!whole) {
      if (!this.#isLast) this.#wrong("the line is cut short", true);
      return;
    }
    const frame = frameOf(bytes);
    if (typeof frame === "string") this.#takeDamaged(bytes, frame);
    else this.#takeFrame(frame);
  }

  #takeFrame(frame: Frame): void {
    const { bytes, jsonAt, number } = frame;
    if (number !== this.#expected) {
      const what =
        number > this.#expected
          ? `record ${spanOf(this.#expected, number - 1)} is missing: ${number} follows ${this.#expected - 1}`
          : `record ${number} follows ${this.#expected - 1}: it was inserted, or its place changed`;
      this.#wrong(what, true);
    }
    this.#expected = number + 1;
    this.#check.take(leafHashWithin(bytes, jsonAt, bytes.length));
    if (!VERSION_TAIL.equals(bytes.subarray(-VERSION_TAIL.length))) {
      this.#wrong("the record is of a version that this Weir does not know", false);
      return;
    }
    const isControl = CONTROL_HEAD.equals(bytes.subarray(jsonAt, jsonAt + CONTROL_HEAD.length));
    if (!isControl && this.#visit === undefined) return;
    const line = JSON.parse(bytes.toString("utf8", jsonAt, bytes.length)) as LogLine;
    if (isControl && line.kind === "control") this.#takeControl(line);
    const fault = this.#visit?.(line) ?? null;
    if (fault !== null) this.#wrong(fault, false);
  }

  #takeControl(line: ControlRecord): void {
    if (line.action === "audit_key.set") this.#check.takeKey(line);
  }

  /** The record is taken as it stands, so that the next checkpoint tells whether only its frame is damaged. */
  #takeDamaged(bytes: Buffer, what: string): void {
    this.#wrong(`record ${this.#expected}: ${what}`, false);
    this.#expected += 1;
    this.#check.take(leafHash(bytes.subarray(bytes.indexOf("{"))));
  }

  #wrong(what: string, breaks: boolean): void {
    this.#check.problem(`${this.#segment}:${this.#position}`, what, breaks);
  }
}

function spanOf(first: number, last: number): string {
  return first === last ? String(first) : `${first} to ${last}`;
}
