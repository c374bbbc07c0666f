import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import type { RecordLog } from "../../engine/ports.ts";
import { serializeLine } from "../../engine/record/serialize.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { compressFile } from "./compressed.ts";
import { repairTail } from "./repair.ts";
import { LineBuffer, listSegments, segmentName } from "./segments.ts";

/** When written lines are forced to the disk: before each answer, every so often, or by the system. */
export type LogSync = "always" | "interval" | "os";

export interface LogOptions {
  readonly folder: string;
  readonly sync: LogSync;
  readonly syncIntervalMs: number;
  /** A segment is closed once it is longer than this. */
  readonly segmentBytes: number;
  /** Compresses segments that are closed; absent: they stay as they are. */
  readonly compress?: boolean;
  /**
   * Told of the bytes of lines that were written, in order, after those who wait for them; they hold
   * until the call returns.
   */
  readonly onWritten?: (lines: Buffer) => void;
  /** Told that lines can be written again after some could not be. */
  readonly onRecovered?: (outage: Outage) => void;
  /** Told what could not be done beside the log, which is whole nevertheless. */
  readonly onNote?: (note: string) => void;
}

/** Lines that a disk did not take; those who waited for them were told. */
export interface Outage {
  readonly lines: number;
  /** What the system said first. */
  readonly cause: string;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: WeirError) => void;
}

/**
 * The append-only log in segments of text. Lines that come in one turn of the event loop are written
 * together; `append` resolves once the write has returned (and, with `always`, once the disk has it).
 */
export class SegmentedLog implements RecordLog {
  readonly #options: LogOptions;
  /** What was repaired at the end of the log when it was opened; "" for nothing. */
  readonly repaired: string;
  #number: number;
  #file: SegmentFile;
  #bytes: number;
  #waiting: Waiting[] = [];
  readonly #lines = new LineBuffer();
  /** Lines that were written and of which nobody was told yet. */
  #untold: Buffer | null = null;
  #outage: Outage | null = null;
  #compressing: Promise<void> = Promise.resolve();
  #scheduled = false;
  #unsynced = false;
  #closed = false;
  readonly #timer: NodeJS.Timeout | null;

  constructor(options: LogOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const tail = repairTail(options.folder);
    this.repaired = tail.repaired;
    this.#number = tail.lastNumber;
    const path = join(options.folder, tail.segment ?? segmentName(this.#number + 1));
    this.#file = new SegmentFile(path);
    this.#bytes = statSync(path).size;
    this.#timer =
      options.sync === "interval"
        ? setInterval(() => this.#syncSoon(), options.syncIntervalMs).unref()
        : null;
    for (const segment of listSegments(options.folder).slice(0, -1)) this.#compress(segment);
  }

  /** Number of the last line. */
  get lastNumber(): number {
    return this.#number;
  }

  /** Tells of what was written and forces it to the disk. */
  sync(): Promise<void> {
    this.#tell();
    return new Promise((resolve, reject) => {
      this.#file.sync((cause) => {
        if (cause === null) resolve();
        else reject(unavailable(cause));
      });
    });
  }

  append(line: LogLine): Promise<void> {
    if (this.#closed) return Promise.reject(new WeirError("log.unavailable", "the log is closed"));
    const json = serializeLine(line);
    this.#number += 1;
    this.#lines.add(this.#number, json);
    const written = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ reject, resolve });
    });
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return written;
  }

  /** Writes what is waiting, does what is left to do with the log whole, and closes the file. */
  async close(atEnd?: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    while (this.#waiting.length > 0) {
      this.#flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#tell();
    await atEnd?.();
    this.#file.finish();
    await this.#compressing;
  }

  #flush(): void {
    this.#scheduled = false;
    this.#tell();
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    const lines = this.#lines.take();
    try {
      this.#write(lines);
    } catch (cause) {
      this.#giveUp(batch, cause);
      return;
    }
    this.#recover();
    if (this.#options.onWritten !== undefined) {
      this.#untold = lines;
      setImmediate(() => this.#tell());
    }
    if (this.#options.sync !== "always") {
      for (const { resolve } of batch) resolve();
      return;
    }
    this.#file.sync((cause) => {
      if (cause === null) for (const { resolve } of batch) resolve();
      else for (const { reject } of batch) reject(unavailable(cause));
    });
  }

  /** After the answers have left; before the next lines are written at the latest. */
  #tell(): void {
    const lines = this.#untold;
    this.#untold = null;
    if (lines !== null) this.#options.onWritten?.(lines);
  }

  #write(bytes: Buffer): void {
    if (this.#bytes > this.#options.segmentBytes) this.#rotate(bytes);
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#file.descriptor, bytes, done);
    } catch (cause) {
      // No half record: what was written of the batch is taken back.
      if (done > 0) ftruncateSync(this.#file.descriptor, this.#bytes);
      throw cause;
    }
    this.#bytes += bytes.length;
    this.#unsynced = true;
  }

  #recover(): void {
    const outage = this.#outage;
    if (outage === null) return;
    this.#outage = null;
    this.#options.onRecovered?.(outage);
  }

  /** The batch was not written: its numbers are used again, so that the log has no gap. */
  #giveUp(batch: readonly Waiting[], cause: unknown): void {
    const behind = this.#waiting;
    this.#waiting = [];
    this.#lines.take();
    this.#number -= batch.length + behind.length;
    const before = this.#outage;
    this.#outage = {
      cause: before?.cause ?? String(cause instanceof Error ? cause.message : cause),
      lines: (before?.lines ?? 0) + batch.length + behind.length,
    };
    for (const { reject } of [...batch, ...behind]) reject(unavailable(cause));
  }

  #rotate(bytes: Buffer): void {
    const first = Number.parseInt(bytes.toString("utf8", 0, 16), 10);
    const next = new SegmentFile(join(this.#options.folder, segmentName(first)));
    this.#file.finish();
    const sealed = this.#file.path;
    this.#file = next;
    this.#bytes = 0;
    this.#compress(basename(sealed));
  }

  /** One after the other; what cannot be compressed stays as it is. */
  #compress(segment: string): void {
    if (this.#options.compress !== true) return;
    const path = join(this.#options.folder, segment);
    this.#compressing = this.#compressing.then(async () => {
      if (this.#closed || !existsSync(path)) return;
      try {
        await compressFile(path, () => this.#closed);
      } catch (cause) {
        this.#options.onNote?.(`${path} stays uncompressed: ${String(cause)}`);
      }
    });
  }

  #syncSoon(): void {
    if (!this.#unsynced) return;
    this.#unsynced = false;
    this.#file.sync(() => undefined);
  }
}

/** The file of one segment; closed once the syncs under way on it have returned. */
class SegmentFile {
  readonly descriptor: number;
  readonly path: string;
  #syncing = 0;
  #finished = false;

  constructor(path: string) {
    this.path = path;
    this.descriptor = openSync(path, "a", 0o600);
  }

  sync(done: (cause: Error | null) => void): void {
    this.#syncing += 1;
    fdatasync(this.descriptor, (cause) => {
      this.#syncing -= 1;
      if (this.#finished && this.#syncing === 0) closeSync(this.descriptor);
      done(cause);
    });
  }

  /** Forces what was written to the disk and closes the file. */
  finish(): void {
    fdatasyncSync(this.descriptor);
    this.#finished = true;
    if (this.#syncing === 0) closeSync(this.descriptor);
  }
}

function unavailable(cause: unknown): WeirError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WeirError("log.unavailable", `the log cannot be written: ${why}`, { cause });
}
