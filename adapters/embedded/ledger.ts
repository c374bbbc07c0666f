import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

import { decisionTimeMs } from "../../engine/decision/decision-id.ts";
import { WeirError } from "../../engine/errors.ts";
import type { Ledger } from "../../engine/ports.ts";
import type {
  DecisionRecord,
  EntryRecord,
  LogLine,
  ReportRecord,
  StoredDecision,
} from "../../engine/record/record.ts";
import { listSegments, parseLine, rawLines } from "./segments.ts";

const LINES_PER_TURN = 2_000;
/** Searches that may wait; a look-up of a decision so old is rare. */
const SEARCHES_MAX = 64;
/** How much older than its neighbours a line may be: lines reach the log in another order than made. */
const STRAY_MS = 900_000;

/**
 * Finds decisions in the log's segments. A decision's id carries its time, so older segments are
 * passed over; the search yields to decisions in flight and one search runs at a time.
 */
export class SegmentLedger implements Ledger {
  readonly #folder: string;
  #searching: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Time of each segment's first line: it never changes. */
  readonly #firstMs = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  find(decisionId: string): Promise<StoredDecision | null> {
    if (this.#waiting >= SEARCHES_MAX) {
      const message = `${this.#waiting} look-ups of old decisions are waiting; try again later`;
      return Promise.reject(new WeirError("server.overloaded", message));
    }
    this.#waiting += 1;
    const found = this.#searching.then(() => this.#search(decisionId));
    this.#searching = found.then(
      () => this.#done(),
      () => this.#done(),
    );
    return found;
  }

  #done(): void {
    this.#waiting -= 1;
  }

  async #search(decisionId: string): Promise<StoredDecision | null> {
    const atMs = decisionTimeMs(decisionId);
    if (atMs === null) return null;
    let record: DecisionRecord | null = null;
    const later: (EntryRecord | ReportRecord)[] = [];
    let count = 0;
    for (const segment of this.#segmentsSince(atMs)) {
      for (const raw of rawLines(join(this.#folder, segment))) {
        count += 1;
        if (count % LINES_PER_TURN === 0) await turn();
        if (!raw.whole || !raw.bytes.includes(decisionId)) continue;
        const parsed = parseLine(raw.bytes);
        if (typeof parsed === "string") continue;
        const { line } = parsed;
        if (line.kind === "decision" && line.id === decisionId) record = line;
        if (isAbout(line, decisionId)) later.push(line);
      }
    }
    return record === null ? null : { later, record };
  }

  #firstTimeMs(segment: string): number | null {
    const known = this.#firstMs.get(segment);
    if (known !== undefined) return known;
    const found = firstTimeMs(join(this.#folder, segment));
    if (found !== null) this.#firstMs.set(segment, found);
    return found;
  }

  /** Segments that may hold a line of `atMs` or later. */
  #segmentsSince(atMs: number): readonly string[] {
    const segments = listSegments(this.#folder);
    let first = 0;
    for (let index = 1; index < segments.length; index += 1) {
      const startMs = this.#firstTimeMs(segments[index] as string);
      if (startMs !== null && startMs < atMs - STRAY_MS) first = index;
    }
    return segments.slice(first);
  }
}

/** Time of the first line that was written when it was made; an entry may have been kept and retried. */
function firstTimeMs(path: string): number | null {
  for (const raw of rawLines(path)) {
    const parsed = parseLine(raw.bytes);
    if (typeof parsed === "string") return null;
    if (parsed.line.kind !== "entry") return parsed.line.at_ms;
  }
  return null;
}

function isAbout(line: LogLine, decisionId: string): line is EntryRecord | ReportRecord {
  return (line.kind === "entry" || line.kind === "report") && line.decision_id === decisionId;
}
