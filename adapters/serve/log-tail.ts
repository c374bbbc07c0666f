import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { corrupt, listSegments, parseLine, type RawLine, rawLines } from "../embedded/segments.ts";
import type { PlacedLine } from "../ledger/ingest.ts";

/**
 * Follows a log from a position, a batch at a time. It remembers where in which segment it is, so
 * that looking for news reads no more than the news.
 */
export class LogTail {
  readonly #folder: string;
  #position: number;
  #segment = "";
  /** Bytes of the segment that are read. */
  #offset = 0;

  /** Begins after line `position`; 0: at the start. */
  constructor(folder: string, position: number) {
    this.#folder = folder;
    this.#position = position;
  }

  /** Number of the last line given. */
  get position(): number {
    return this.#position;
  }

  /** The next lines, at most `max`; none where the log has no more. A damaged line is `log.corrupt`. */
  next(max: number): readonly PlacedLine[] {
    const found: PlacedLine[] = [];
    for (const name of this.#segmentsAhead()) {
      if (name !== this.#segment) {
        this.#segment = name;
        this.#offset = 0;
      }
      this.#read(join(this.#folder, name), max, found);
      if (found.length >= max) return found;
    }
    return found;
  }

  #read(path: string, max: number, found: PlacedLine[]): void {
    for (const raw of linesFrom(path, this.#offset)) {
      // A line that is being written.
      if (!raw.whole) return;
      const parsed = parseLine(raw.bytes);
      if (typeof parsed === "string") {
        throw corrupt(path, this.#position + 1, `after line ${this.#position}: ${parsed}`);
      }
      this.#offset = raw.offset + raw.bytes.length + 1;
      if (parsed.number <= this.#position) continue;
      this.#position = parsed.number;
      found.push(parsed);
      if (found.length >= max) return;
    }
  }

  /** Segments from the one that holds the next line on. */
  #segmentsAhead(): readonly string[] {
    const all = listSegments(this.#folder);
    const ahead = all.findLastIndex((name) => Number.parseInt(name, 10) <= this.#position + 1);
    return all.slice(Math.max(0, ahead));
  }
}

const CHUNK_BYTES = 1 << 18;
const NEWLINE = 0x0a;

/** Lines of a segment from a byte on; one that was sealed and compressed meanwhile is read from its start. */
function* linesFrom(path: string, offset: number): Generator<RawLine> {
  if (offset === 0 || !existsSync(path)) {
    yield* rawLines(path);
    return;
  }
  const file = openSync(path, "r");
  try {
    let rest: Buffer = Buffer.alloc(0);
    let start = offset;
    for (let position = offset; ;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) return;
      position += length;
      const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
      let from = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        yield { bytes: bytes.subarray(from, end), offset: start + from, whole: true };
        from = end + 1;
      }
      rest = bytes.subarray(from);
      start += from;
    }
  } finally {
    closeSync(file);
  }
}
