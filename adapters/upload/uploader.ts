import type { DecisionRecord, LogLine } from "../../engine/record/record.ts";
import { packChunk } from "./chunk.ts";
import { decisionEvent, type Labels } from "./event.ts";
import type { Posted } from "./post.ts";

/** The log, from a line on. */
export interface LogReader {
  /** Number of the last line given. */
  readonly position: number;
  next(max: number): readonly { readonly line: LogLine; readonly number: number }[];
}

/** What has become of decisions so far, since this started. */
export interface UploadProgress {
  /** Decisions that the server took. */
  readonly sent: number;
  /** Decisions that it will never have: alone too large, or refused by it. */
  readonly dropped: number;
  /** Whether everything in the log is sent or dropped. */
  readonly caughtUp: boolean;
  /** Why it does not go on, or why a decision was dropped; "": nothing is wrong. */
  readonly problem: string;
}

export interface UploaderOptions {
  /** Number of the last line that is sent or dropped; 0: none is. */
  readonly from: number;
  /** Opens the log behind a line. */
  readonly open: (position: number) => LogReader;
  readonly labels: Labels;
  /** Largest body, bytes gzipped. */
  readonly limitBytes: number;
  readonly post: (body: Buffer) => Promise<Posted>;
  /** Everything up to this line is sent or dropped. */
  readonly keep: (position: number) => void;
  readonly tell: (progress: UploadProgress) => void;
  readonly pause: (ms: number) => Promise<void>;
}

const LINES_MAX = 256;
/** Between two looks for news: what is decided meanwhile goes out together. */
const IDLE_MS = 1_000;
const RETRY_MS = { first: 100, most: 30_000 };

interface Pending {
  readonly number: number;
  readonly id: string;
  readonly text: string;
}

/**
 * Sends every decision of a log, in its order, at least once. The log is the buffer: a server that is away
 * for a day gets the day's decisions when it is back.
 */
export class LogUploader {
  readonly #options: UploaderOptions;
  #sent = 0;
  #dropped = 0;
  /** Events of the next chunk at most: halved when the server finds one too large. */
  #eventsMax = LINES_MAX;
  #retryMs: number = RETRY_MS.first;

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  /** Goes on until the signal; a chunk that is on its way then is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    const { from, keep, labels, open, pause } = this.#options;
    let reader = open(from);
    let kept = from;
    while (!signal.aborted) {
      const lines = this.#read(reader);
      if (lines === null) {
        await this.#wait(pause);
        reader = open(kept);
        continue;
      }
      const pending = lines.flatMap(({ line, number }) =>
        line.kind === "decision" ? [pendingOf(line, number, labels)] : [],
      );
      await this.#send(pending, signal);
      if (signal.aborted) return;
      if (reader.position !== kept) keep(reader.position);
      kept = reader.position;
      if (lines.length === LINES_MAX) continue;
      this.#tell(true, "");
      await pause(IDLE_MS);
    }
  }

  /** null: it cannot be read now, as while a segment is replaced by its compressed form. */
  #read(reader: LogReader): ReturnType<LogReader["next"]> | null {
    try {
      return reader.next(LINES_MAX);
    } catch (thrown) {
      this.#tell(false, `the log cannot be read: ${(thrown as Error).message}`);
      return null;
    }
  }

  async #wait(pause: UploaderOptions["pause"]): Promise<void> {
    await pause(this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.most);
  }

  async #send(pending: Pending[], signal: AbortSignal): Promise<void> {
    const { keep, limitBytes, pause, post } = this.#options;
    while (pending.length > 0 && !signal.aborted) {
      const next = pending.slice(0, this.#eventsMax);
      const chunk = packChunk(
        next.map(({ text }) => text),
        limitBytes,
      );
      if (chunk === null) {
        this.#drop(pending, `it takes more than ${limitBytes} bytes gzipped`);
        continue;
      }
      const posted = await post(chunk.body);
      if (posted.kind === "failed") {
        this.#tell(false, posted.why);
        await this.#wait(pause);
        continue;
      }
      this.#retryMs = RETRY_MS.first;
      if (posted.kind === "taken") {
        const gone = pending.splice(0, chunk.events);
        this.#sent += gone.length;
        this.#eventsMax = Math.min(chunk.events * 2, LINES_MAX);
        keep(gone.at(-1)?.number ?? 0);
        this.#tell(false, "");
      } else if (chunk.events === 1) this.#drop(pending, posted.why);
      // One of them may be what the server refuses: the others are not lost for it.
      else this.#eventsMax = Math.floor(chunk.events / 2);
    }
  }

  #drop(pending: Pending[], why: string): void {
    const gone = pending.shift();
    this.#dropped += 1;
    this.#tell(false, `decision ${gone?.id} is not sent: ${why}`);
  }

  #tell(caughtUp: boolean, problem: string): void {
    this.#options.tell({ caughtUp, dropped: this.#dropped, problem, sent: this.#sent });
  }
}

function pendingOf(record: DecisionRecord, number: number, labels: Labels): Pending {
  return { id: record.id, number, text: JSON.stringify(decisionEvent(record, labels)) };
}
