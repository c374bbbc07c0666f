import type { DecisionRecord, EntryRecord, LogLine } from "../record/record.ts";
import { reservedEntry } from "../record/write.ts";
import type { Unit } from "./entry.ts";
import { endsHold } from "./verify.ts";

/** What logs posted to one budget instance, in its unit. */
export interface PostedSum {
  readonly budget: string;
  readonly unit: Unit;
  /** When its window ends, epoch ms; 0: never, or unknown. */
  endsAtMs: number;
  /** Time of the latest posting, epoch ms. */
  lastMs: number;
  held: bigint;
  settled: bigint;
}

/** Sums of the postings of one or more logs, and the decisions that still hold money by them. */
export class PostedSums {
  readonly #sums = new Map<string, PostedSum>();
  readonly #open = new Set<string>();
  /** Ended by a line that was read before the decision's own, which is in another log. */
  readonly #endedAhead = new Set<string>();

  /** By instance. */
  get all(): ReadonlyMap<string, PostedSum> {
    return this.#sums;
  }

  /** Ids of decisions whose hold has not ended. */
  get open(): ReadonlySet<string> {
    return this.#open;
  }

  take(line: LogLine): void {
    if (line.kind === "entry") this.#takeEntry(line);
    else if (line.kind === "decision") this.#takeDecision(line);
  }

  #takeDecision(record: DecisionRecord): void {
    const entry = reservedEntry(record);
    if (entry === null) return;
    this.#post(entry);
    for (const { ends_at_ms: endsAtMs, instance } of record.reservation.holds) {
      const sum = this.#sums.get(instance);
      if (sum !== undefined) sum.endsAtMs = Math.max(sum.endsAtMs, endsAtMs);
    }
    if (!this.#endedAhead.delete(record.id)) this.#open.add(record.id);
  }

  #takeEntry(entry: EntryRecord): void {
    this.#post(entry);
    if (!endsHold(entry)) return;
    if (!this.#open.delete(entry.decision_id)) this.#endedAhead.add(entry.decision_id);
  }

  #post({ at_ms: atMs, postings }: EntryRecord): void {
    for (const { budget, held_delta, instance, settled_delta, unit } of postings) {
      let sum = this.#sums.get(instance);
      if (sum === undefined) {
        sum = { budget, endsAtMs: 0, held: 0n, lastMs: 0, settled: 0n, unit };
        this.#sums.set(instance, sum);
      }
      sum.held += BigInt(held_delta);
      sum.settled += BigInt(settled_delta);
      sum.lastMs = Math.max(sum.lastMs, atMs);
    }
  }
}
