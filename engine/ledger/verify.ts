import type { Balance } from "../ports.ts";
import { inStateOrder } from "../record/order.ts";
import { reservedEntry } from "../record/write.ts";
import type { DecisionRecord, EntryRecord, GrantRecord, LogLine } from "../record/record.ts";

/** One thing that is wrong: where, and what. */
export interface Problem {
  readonly at: string;
  readonly what: string;
}

/** What the log says of the money. */
export interface LedgerCheck {
  readonly decisions: number;
  readonly entries: number;
  readonly problems: readonly Problem[];
  /** Hard budget instances that an admission took over their limit. */
  readonly overdrawn: readonly string[];
  /** Decisions whose hold has not ended. */
  readonly open: number;
  /** Sum of postings per budget instance. */
  readonly balances: ReadonlyMap<string, { held: bigint; settled: bigint }>;
}

/**
 * Proves the money from the log alone: every hold ends exactly once and never below zero, every
 * posting belongs to a decision, no admission that was not forced passed a hard limit, and, where
 * `balances` of a quiet store are given, the sums are the store's.
 */
export function verifyLedger(lines: Iterable<LogLine>, balances?: readonly Balance[]): LedgerCheck {
  const check = new Check();
  for (const line of inStateOrder(lines)) check.take(line);
  if (balances !== undefined) check.compare(balances);
  return check.result();
}

/** What a decision still holds on each instance; empty once it has ended. */
interface OpenHold {
  readonly held: Map<string, bigint>;
}

class Check {
  readonly #problems: Problem[] = [];
  readonly #overdrawn = new Set<string>();
  readonly #open = new Map<string, OpenHold>();
  readonly #entryIds = new Set<string>();
  readonly #decisionIds = new Set<string>();
  /** When each grant ends, epoch ms. */
  readonly #grantedUntil = new Map<string, number>();
  readonly #balances = new Map<string, { held: bigint; settled: bigint }>();
  #entries = 0;

  take(line: LogLine): void {
    if (line.kind === "decision") this.#takeDecision(line);
    else if (line.kind === "entry") this.#takeEntry(line);
    else if (line.kind === "grant") this.#takeGrant(line);
  }

  compare(balances: readonly Balance[]): void {
    const stored = new Set<string>();
    for (const { held, instance, settled } of balances) {
      stored.add(instance);
      const sum = this.#balances.get(instance) ?? { held: 0n, settled: 0n };
      if (sum.held !== held || sum.settled !== settled) {
        const what = `the ledger says ${sum.held} held and ${sum.settled} settled, the store ${held} and ${settled}`;
        this.#problem(instance, what);
      }
    }
    for (const [instance, { held }] of this.#balances) {
      if (!stored.has(instance) && held !== 0n)
        this.#problem(instance, `${held} held, unknown to the store`);
    }
  }

  result(): LedgerCheck {
    return {
      balances: this.#balances,
      decisions: this.#decisionIds.size,
      entries: this.#entries,
      open: this.#open.size,
      overdrawn: [...this.#overdrawn],
      problems: this.#problems,
    };
  }

  #takeDecision(record: DecisionRecord): void {
    if (this.#decisionIds.has(record.id)) this.#problem(record.id, "decided twice");
    this.#decisionIds.add(record.id);
    const { reservation } = record;
    const entry = reservedEntry(record);
    if (entry === null) return;
    this.#takeEntry(entry);
    for (const hold of reservation.holds) {
      const balance = this.#balances.get(hold.instance);
      const free = BigInt(hold.amount) === 0n || reservation.forced || hold.mode === "soft";
      if (free || balance === undefined) continue;
      if (balance.held + balance.settled > BigInt(hold.limit)) this.#overdrawn.add(hold.instance);
    }
  }

  /** A grant raises a limit by what it says; its id is not used again while it is in force. */
  #takeGrant(grant: GrantRecord): void {
    const { amount, at_ms, budget, id, limit_after: after, limit_before: before, tenant } = grant;
    const key = JSON.stringify([tenant, budget, id]);
    if ((this.#grantedUntil.get(key) ?? 0) > at_ms) this.#problem(id, "granted twice");
    this.#grantedUntil.set(key, grant.until_ms);
    if (BigInt(amount) <= 0n || grant.until_ms <= at_ms) this.#problem(id, "grants nothing");
    if (BigInt(before) + BigInt(amount) !== BigInt(after)) {
      this.#problem(id, `grants ${amount}, but raises the limit from ${before} to ${after}`);
    }
  }

  #takeEntry(entry: EntryRecord): void {
    this.#entries += 1;
    if (this.#entryIds.has(entry.id)) this.#problem(entry.id, "posted twice");
    this.#entryIds.add(entry.id);
    if (!this.#decisionIds.has(entry.decision_id))
      this.#problem(entry.id, "belongs to no decision");
    if (entry.entry === "reserved") this.#open.set(entry.decision_id, { held: new Map() });
    const hold = this.#open.get(entry.decision_id);
    for (const posting of entry.postings) {
      const heldDelta = BigInt(posting.held_delta);
      this.#post(posting.instance, heldDelta, BigInt(posting.settled_delta));
      if (heldDelta === 0n) continue;
      if (hold === undefined) {
        this.#problem(entry.id, "changes a hold that had ended");
        continue;
      }
      const left = (hold.held.get(posting.instance) ?? 0n) + heldDelta;
      if (left < 0n) this.#problem(entry.id, `takes more from ${posting.instance} than was held`);
      hold.held.set(posting.instance, left);
    }
    if (endsHold(entry)) this.#end(entry, hold);
  }

  #end(entry: EntryRecord, hold: OpenHold | undefined): void {
    if (hold === undefined) {
      this.#problem(entry.id, "ends a hold that had ended, or never began");
      return;
    }
    for (const [instance, left] of hold.held) {
      if (left !== 0n) this.#problem(entry.id, `leaves ${left} held on ${instance}`);
    }
    this.#open.delete(entry.decision_id);
  }

  #post(instance: string, heldDelta: bigint, settledDelta: bigint): void {
    const balance = this.#balances.get(instance);
    if (balance === undefined) {
      this.#balances.set(instance, { held: heldDelta, settled: settledDelta });
      return;
    }
    balance.held += heldDelta;
    balance.settled += settledDelta;
  }

  #problem(at: string, what: string): void {
    this.#problems.push({ at, what });
  }
}

/** Whether nothing is held for its decision any more. */
export function endsHold(entry: EntryRecord): boolean {
  switch (entry.entry) {
    case "released":
    case "expired":
      return true;
    case "settled":
      return !entry.flags.includes("partial");
    case "reserved":
    case "corrected":
      return false;
  }
}
