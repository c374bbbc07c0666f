import type { DecisionRecord, EntryRecord, LogLine, PostingRecord } from "../record/record.ts";
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

/**
 * Sums of the postings of one or more logs, and the decisions that still hold money by them. What a decision
 * held is let go of only where a log says that it was held: a node may have been killed before it wrote that.
 * And all of it is once it has ended: a state that had lost the reservation had nothing left to let go of.
 */
export class PostedSums {
  readonly #sums = new Map<string, PostedSum>();
  /** What each decision holds on each instance, until its hold has ended. */
  readonly #open = new Map<string, Map<string, bigint>>();
  /** Entries that were read before their decision, which is in another log or in none. */
  readonly #ahead = new Map<string, EntryRecord[]>();

  /** By instance. */
  get all(): ReadonlyMap<string, PostedSum> {
    return this.#sums;
  }

  /** Whether a decision's hold has not ended. */
  isOpen(decisionId: string): boolean {
    return this.#open.has(decisionId);
  }

  /** Ids of decisions whose hold has not ended. */
  get open(): readonly string[] {
    return [...this.#open.keys()];
  }

  take(line: LogLine): void {
    if (line.kind === "entry") this.#takeEntry(line);
    else if (line.kind === "decision") this.#takeDecision(line);
  }

  #takeDecision(record: DecisionRecord): void {
    const reserved = reservedEntry(record);
    if (reserved === null) return;
    this.#open.set(record.id, new Map());
    this.#postHeld(reserved);
    for (const { ends_at_ms: endsAtMs, instance } of record.reservation.holds) {
      const sum = this.#sums.get(instance);
      if (sum !== undefined) sum.endsAtMs = Math.max(sum.endsAtMs, endsAtMs);
    }
    for (const entry of this.#ahead.get(record.id) ?? []) this.#postHeld(entry);
    this.#ahead.delete(record.id);
  }

  #takeEntry(entry: EntryRecord): void {
    const { at_ms: atMs, decision_id: decisionId, postings } = entry;
    for (const posting of postings) {
      this.#sumOf(posting, atMs).settled += BigInt(posting.settled_delta);
    }
    if (this.#open.has(decisionId)) this.#postHeld(entry);
    else if (endsHold(entry) || postings.some(({ held_delta: delta }) => delta !== "0")) {
      this.#ahead.set(decisionId, [...(this.#ahead.get(decisionId) ?? []), entry]);
    }
  }

  #postHeld(entry: EntryRecord): void {
    const held = this.#open.get(entry.decision_id);
    if (held === undefined) return;
    for (const posting of entry.postings) {
      const delta = BigInt(posting.held_delta);
      this.#sumOf(posting, entry.at_ms).held += delta;
      held.set(posting.instance, (held.get(posting.instance) ?? 0n) + delta);
    }
    if (!endsHold(entry)) return;
    this.#open.delete(entry.decision_id);
    for (const [instance, left] of held) {
      const sum = this.#sums.get(instance);
      if (sum !== undefined) sum.held -= left;
    }
  }

  #sumOf({ budget, instance, unit }: PostingRecord, atMs: number): PostedSum {
    let sum = this.#sums.get(instance);
    if (sum === undefined) {
      sum = { budget, endsAtMs: 0, held: 0n, lastMs: 0, settled: 0n, unit };
      this.#sums.set(instance, sum);
    }
    sum.lastMs = Math.max(sum.lastMs, atMs);
    return sum;
  }
}
