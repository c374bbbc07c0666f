import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

import { decisionTimeMs } from "../../engine/decision/decision-id.ts";
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

/**
 * Finds decisions in the log's segments. A decision's id carries its time, so older segments are
 * passed over; the search yields to decisions in flight and one search runs at a time.
 */
export class SegmentLedger implements Ledger {
  readonly #folder: string;
  #searching: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  find(decisionId: string): Promise<StoredDecision | null> {
    const found = this.#searching.then(() => this.#search(decisionId));
    this.#searching = found.catch(() => undefined);
    return found;
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

  /** Segments that may hold a line of `atMs` or later. */
  #segmentsSince(atMs: number): readonly string[] {
    const segments = listSegments(this.#folder);
    let first = 0;
    for (let index = 1; index < segments.length; index += 1) {
      const startMs = firstTimeMs(join(this.#folder, segments[index] as string));
      if (startMs !== null && startMs < atMs) first = index;
    }
    return segments.slice(first);
  }
}

function isAbout(line: LogLine, decisionId: string): line is EntryRecord | ReportRecord {
  return (line.kind === "entry" || line.kind === "report") && line.decision_id === decisionId;
}

function firstTimeMs(path: string): number | null {
  for (const raw of rawLines(path)) {
    const parsed = parseLine(raw.bytes);
    return typeof parsed === "string" ? null : parsed.line.at_ms;
  }
  return null;
}
