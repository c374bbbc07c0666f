import { WeirError } from "../../engine/errors.ts";
import type { Clock, Ledger, RecordLog } from "../../engine/ports.ts";
import type { DecisionRecord, LogLine, ReportRecord } from "../../engine/record/record.ts";
import { recordedAnswer } from "../../engine/record/write.ts";
import { endEntry, reportId, runs, settleEntry, settleRequest } from "../memory/recover.ts";
import type { RedisStateStore } from "../redis/state-store.ts";

interface Node {
  /** Every line of this node's log. */
  readonly lines: () => Iterable<LogLine>;
  readonly log: RecordLog;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/**
 * Finishes what a killed process of this node had begun, as far as its log shows it: decisions that
 * were recorded but not made repeatable, releases of blocked calls, reports without their entry. Each is
 * idempotent; an entry whose change the shared store had made already is appended from what it kept.
 */
export async function finishOwed(
  store: RedisStateStore,
  node: Node,
  onNote: (note: WeirError) => void,
): Promise<{ readonly lastMs: number }> {
  const { blocked, lastMs, reports, unended } = readOwed(node);
  for (const record of unended.values()) await conclude(store, record);
  for (const record of blocked.values()) await release(store, record, node);
  let lost = 0;
  for (const [id, report] of reports) {
    if (!(await settle(store, id, report, node))) lost += 1;
  }
  if (lost > 0)
    onNote(
      new WeirError(
        "state.unavailable",
        `${lost} reports are of decisions that the state store has lost`,
      ),
    );
  return { lastMs };
}

interface Owed {
  readonly reports: Map<string, ReportRecord>;
  readonly blocked: Map<string, DecisionRecord>;
  /** Decisions whose reservation may still be open. */
  readonly unended: Map<string, DecisionRecord>;
  readonly lastMs: number;
}

function readOwed({ clock, lines }: Node): Owed {
  const reports = new Map<string, ReportRecord>();
  const blocked = new Map<string, DecisionRecord>();
  const unended = new Map<string, DecisionRecord>();
  let lastMs = 0;
  const nowMs = clock.nowMs();
  for (const line of lines()) {
    if (line.at_ms > lastMs) lastMs = line.at_ms;
    if (line.kind === "report") reports.set(reportId(line), line);
    if (line.kind === "decision" && line.reservation.state_sequence > 0) {
      if (line.reservation.deadline_ms > nowMs) unended.set(line.id, line);
      if (!runs(line) && line.reservation.held) blocked.set(line.id, line);
    }
    if (line.kind !== "entry") continue;
    reports.delete(line.id);
    unended.delete(line.decision_id);
    if (line.entry === "released") blocked.delete(line.decision_id);
  }
  return { blocked, lastMs, reports, unended };
}

async function conclude(store: RedisStateStore, record: DecisionRecord): Promise<void> {
  const isOpen = (await store.isOpen(record.id)) && (await store.decision(record.id)) === null;
  if (isOpen) await store.conclude(record.id, recordedAnswer(record));
}

async function release(store: RedisStateStore, record: DecisionRecord, node: Node): Promise<void> {
  const nowMs = node.clock.nowMs();
  const made = await store.release(record.id, nowMs);
  const end = made.ended ? made : await store.ended(record.id);
  if (end?.held === true && end.state === "released") {
    await node.log.append(endEntry(end, "released", nowMs));
  }
}

/** False if neither the store nor the log knows the decision. */
async function settle(
  store: RedisStateStore,
  id: string,
  report: ReportRecord,
  { clock, ledger, log }: Node,
): Promise<boolean> {
  const request = settleRequest(report);
  let reply = await store.settle(request);
  if (reply.status === "unknown") {
    const stored = await ledger.find(report.decision_id);
    if (stored === null) return false;
    await store.restore(stored, clock.nowMs());
    reply = await store.settle(request);
  }
  const posted = reply.status === "duplicate" ? await store.settled(request) : reply;
  if (posted !== null && posted.stateSequence > 0)
    await log.append(settleEntry(id, report, posted));
  return true;
}
