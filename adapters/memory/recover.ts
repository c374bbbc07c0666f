import { setImmediate as turn } from "node:timers/promises";

import {
  type DecisionRecord,
  type EntryRecord,
  firstInput,
  type LogLine,
  type ReportRecord,
} from "../../engine/record/record.ts";
import type { BundleSource } from "../../engine/ports.ts";
import type { Posting } from "../../engine/ledger/entry.ts";
import { reportEntryId, UNDELIVERED } from "../../engine/ledger/settle.ts";
import { inStateOrder } from "../../engine/record/order.ts";
import { freezeOf, grantOf } from "../../engine/record/control.ts";
import { entryRecord, recordedAnswer } from "../../engine/record/write.ts";
import type { EndReply, SettleReply, SettleRequest } from "../../engine/reservation/lifecycle.ts";
import type { ScopeCharge } from "../../engine/reservation/reservation.ts";
import { matchScopes } from "../../engine/velocity/scopes.ts";
import type { MemoryStateStore } from "./state-store.ts";

const LINES_PER_TURN = 2_000;

export interface Recovery {
  readonly lines: number;
  /** Time of the latest line, epoch ms; 0 for an empty log. */
  readonly lastMs: number;
  /** Entries that a killed process still owed; the caller appends them. */
  readonly owed: readonly EntryRecord[];
  /** Entries whose postings the store did not reproduce. */
  readonly differences: readonly string[];
}

/**
 * Rebuilds a store from the log: every change is made again, in the store's own order, at its own
 * time. What a killed process had begun is finished: releases of blocked calls, reports that were
 * appended but not yet settled.
 */
export async function recoverState(
  store: MemoryStateStore,
  lines: Iterable<LogLine>,
  bundles: BundleSource,
): Promise<Recovery> {
  const recovery = new Recovering(store, bundles);
  let count = 0;
  for (const line of inStateOrder(lines)) {
    await recovery.take(line);
    count += 1;
    // Health checks are answered meanwhile.
    if (count % LINES_PER_TURN === 0) await turn();
  }
  return recovery.finish();
}

class Recovering {
  readonly #store: MemoryStateStore;
  readonly #bundles: BundleSource;
  readonly #reports = new Map<string, ReportRecord>();
  readonly #blocked = new Map<string, DecisionRecord>();
  /** Decisions made while the store was lost, by id. */
  readonly #unseen = new Map<string, DecisionRecord>();
  readonly #differences: string[] = [];
  #lastMs = 0;
  #lines = 0;

  constructor(store: MemoryStateStore, bundles: BundleSource) {
    this.#store = store;
    this.#bundles = bundles;
  }

  async take(line: LogLine): Promise<void> {
    this.#lines += 1;
    if (line.at_ms > this.#lastMs) this.#lastMs = line.at_ms;
    switch (line.kind) {
      case "decision":
        return this.#takeDecision(line);
      case "entry":
        return this.#takeEntry(line);
      case "report":
        this.#reports.set(reportId(line), line);
        return undefined;
      case "freeze":
        if (line.frozen) return this.#store.freeze(line.tenant, freezeOf(line));
        return this.#store.unfreeze(line.tenant, line.scope);
      case "grant":
        return this.#store.grant(grantOf(line));
      case "rejected":
      case "bundle":
      case "control":
      case "imported":
      case "closed":
      case "read":
        return undefined;
    }
  }

  async finish(): Promise<Recovery> {
    const owed: EntryRecord[] = [];
    for (const [id, record] of this.#blocked) {
      const end = await this.#store.release(id, record.at_ms);
      if (end.held) owed.push(endEntry(end, "released", record.at_ms));
    }
    for (const [id, report] of this.#reports) {
      await this.#see(report.decision_id);
      const reply = await this.#store.settle(settleRequest(report));
      if (reply.stateSequence > 0) owed.push(settleEntry(id, report, reply));
    }
    return { differences: this.#differences, lastMs: this.#lastMs, lines: this.#lines, owed };
  }

  async #takeDecision(record: DecisionRecord): Promise<void> {
    const { reservation } = record;
    // Admitted while the store was lost: it never saw this decision, unless it is reported.
    if (reservation.state_sequence === 0) {
      this.#unseen.set(record.id, record);
      return;
    }
    this.#store.resumeSequence(reservation.state_sequence);
    this.#store.replay(record, this.#scopesOf(record));
    if (!runs(record)) {
      if (reservation.held) this.#blocked.set(record.id, record);
      else await this.#store.release(record.id, record.at_ms);
    }
    await this.#store.conclude(record.id, recordedAnswer(record));
  }

  /** A report makes a decision known that the store never saw. */
  async #see(decisionId: string): Promise<void> {
    const record = this.#unseen.get(decisionId);
    if (record === undefined) return;
    this.#unseen.delete(decisionId);
    await this.#store.restore({ later: [], record }, record.at_ms);
  }

  async #takeEntry(entry: EntryRecord): Promise<void> {
    await this.#see(entry.decision_id);
    const postings = await this.#repeat(entry);
    this.#store.resumeSequence(entry.state_sequence);
    if (!samePostings(entry, postings)) this.#differences.push(entry.id);
  }

  async #repeat(entry: EntryRecord): Promise<readonly Posting[]> {
    switch (entry.entry) {
      case "released":
        this.#blocked.delete(entry.decision_id);
        if (entry.flags.includes(UNDELIVERED)) {
          return (await this.#store.abandon(entry.decision_id, entry.at_ms)).postings;
        }
        return (await this.#store.release(entry.decision_id, entry.at_ms)).postings;
      case "expired":
        return this.#store.expireNow(entry.decision_id, entry.at_ms).postings;
      case "settled":
      case "corrected": {
        const report = this.#reports.get(entry.id);
        if (report === undefined) return [];
        this.#reports.delete(entry.id);
        return (await this.#store.settle(settleRequest(report))).postings;
      }
      case "reserved":
        return [];
    }
  }

  /** The scopes of a model, as the bundle of the time had them. */
  #scopesOf(record: DecisionRecord): (model: string) => readonly ScopeCharge[] {
    const bundle = this.#bundles.byDigest(record.bundle.digest) ?? this.#bundles.current();
    const { intent } = firstInput(record);
    return (model) => matchScopes(bundle.scopes, intent, model);
  }
}

/** Whether the call it decided on is made. */
export function runs(record: DecisionRecord): boolean {
  return record.decision.effect === "allow" || record.decision.effect === "reroute";
}

export function reportId(report: ReportRecord): string {
  return reportEntryId(report.decision_id, report.sequence, report.digest);
}

export function settleRequest(report: ReportRecord): SettleRequest {
  return {
    basis: report.basis,
    chargedNanoUsd: BigInt(report.charged_nano_usd),
    costPicoUsd: BigInt(report.cost_pico_usd),
    decisionId: report.decision_id,
    digest: report.digest,
    final: report.final,
    nowMs: report.at_ms,
    sequence: report.sequence,
    tokens: BigInt((report.usage["input"] ?? 0) + (report.usage["output"] ?? 0)),
  };
}

export function endEntry(end: EndReply, kind: "released", atMs: number): EntryRecord {
  const { costPicoUsd, decisionId, postings, stateSequence } = end;
  const id = `${decisionId}:${kind}`;
  return entryRecord({
    atMs,
    costPicoUsd,
    decisionId,
    flags: [],
    id,
    kind,
    postings,
    stateSequence,
  });
}

export function settleEntry(id: string, report: ReportRecord, reply: SettleReply): EntryRecord {
  const partial = reply.status === "posted" ? ["partial"] : [];
  return entryRecord({
    atMs: report.at_ms,
    costPicoUsd: reply.costPicoUsd,
    decisionId: report.decision_id,
    flags: [...reply.flags, ...report.flags, ...partial],
    id,
    kind: reply.status === "corrected" ? "corrected" : "settled",
    postings: reply.postings,
    stateSequence: reply.stateSequence,
  });
}

function samePostings(entry: EntryRecord, postings: readonly Posting[]): boolean {
  const { postings: recorded } = entry;
  if (recorded.length !== postings.length) return false;
  return recorded.every((posting, index) => {
    const made = postings[index] as Posting;
    return (
      posting.instance === made.instance &&
      posting.held_delta === String(made.heldDelta) &&
      posting.settled_delta === String(made.settledDelta)
    );
  });
}
