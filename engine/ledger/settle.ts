import type { Decision } from "../decision/decision.ts";
import { decisionTimeMs } from "../decision/decision-id.ts";
import { WeirError } from "../errors.ts";
import type { ServiceTier } from "../intent/intent.ts";
import { LIMITS } from "../limits.ts";
import { postedNanoUsd } from "../money.ts";
import type { Ports } from "../ports.ts";
import { priceUsage } from "../pricing/actual.ts";
import type { Rates } from "../pricing/rates.ts";
import { RECORD_VERSION, type ReportRecord } from "../record/record.ts";
import { entryRecord, recordedAnswer } from "../record/write.ts";
import type { EndReply, SettleReply, SettleRequest } from "../reservation/lifecycle.ts";
import type { EntryKind } from "./entry.ts";
import { reportDigest } from "./parse-report.ts";
import type { Report, ReportResult } from "./report.ts";

/**
 * Report to settlement: price the actuals on the rates of the decision's own bundle and time, append
 * the report, settle in the store, append what was posted.
 */
export async function settleReport(
  report: Report,
  decision: Decision,
  principal: string,
  ports: Ports,
): Promise<ReportResult> {
  const nowMs = ports.clock.nowMs();
  const { rates, flags } = ratesFor(report, decision, ports);
  const costPicoUsd = rates === null ? 0n : priceUsage(report.usage, rates).costPicoUsd;
  const request: SettleRequest = {
    decisionId: decision.id,
    nowMs,
    sequence: report.sequence,
    digest: reportDigest(report),
    final: report.final,
    basis: report.basis,
    costPicoUsd,
    chargedNanoUsd: postedNanoUsd(costPicoUsd),
    tokens: BigInt(report.usage.input + report.usage.output),
  };
  await ports.log.append(reportRecord(report, request, principal, rates, flags));
  const reply = await ports.state.settle(request);
  return postSettlement(request, reply, flags, ports);
}

/** Appends what a settlement posted and says what the report did. */
export async function postSettlement(
  request: SettleRequest,
  reply: SettleReply,
  priced: readonly string[],
  ports: Ports,
): Promise<ReportResult> {
  const { decisionId, sequence } = request;
  if (reply.status === "conflict") {
    const message = `report ${sequence} of decision ${decisionId} was posted before with other figures`;
    throw new WeirError("report.conflict", message);
  }
  if (reply.status === "unknown") throw notFound(decisionId);
  const flags = [...reply.flags, ...priced];
  if (reply.status !== "duplicate" && reply.status !== "superseded") {
    const entry = {
      id: reportEntryId(decisionId, sequence, request.digest),
      kind: reply.status === "corrected" ? ("corrected" as const) : ("settled" as const),
      decisionId,
      atMs: request.nowMs,
      stateSequence: reply.stateSequence,
      costPicoUsd: reply.costPicoUsd,
      flags: reply.status === "posted" ? [...flags, "partial"] : flags,
      postings: reply.postings,
    };
    await ports.log.append(entryRecord(entry));
  }
  return {
    decisionId,
    status: reply.status,
    costPicoUsd: reply.costPicoUsd,
    chargedNanoUsd: reply.chargedNanoUsd,
    flags,
  };
}

/** Flag of a release whose answer reached nobody: a repeat of the intent is decided anew. */
export const UNDELIVERED = "undelivered";

/** Appends the entry of a reservation's end; what was never held has none. */
export async function postEnd(
  end: EndReply,
  kind: Extract<EntryKind, "released" | "expired">,
  ports: Ports,
  flags: readonly string[] = [],
): Promise<void> {
  if (!end.ended || !end.held) return;
  await ports.log.append(
    entryRecord({
      id: `${end.decisionId}:${kind}`,
      kind,
      decisionId: end.decisionId,
      atMs: ports.clock.nowMs(),
      stateSequence: end.stateSequence,
      costPicoUsd: end.costPicoUsd,
      flags,
      postings: end.postings,
    }),
  );
}

/** Id of the entry a report is settled by; the digest tells reports of one number apart. */
export function reportEntryId(decisionId: string, sequence: number, digest: string): string {
  return `${decisionId}:report:${sequence}:${digest.slice(0, 8)}`;
}

/** A decision by id: from the store, or, once that has forgotten it, back from the log. */
export async function findDecision(id: string, ports: Ports): Promise<Decision> {
  const atMs = decisionTimeMs(id);
  if (atMs === null) throw notFound(id);
  const kept = await ports.state.decision(id);
  if (kept !== null) return kept;
  // No search for what cannot be there, or is too old whatever its deadline was.
  const nowMs = ports.clock.nowMs();
  if (atMs > nowMs) throw notFound(id);
  if (nowMs > atMs + LIMITS.reservationTtlMs + LIMITS.lateReportMs) throw tooOld(id);
  const stored = await ports.ledger.find(id);
  if (stored === null) throw notFound(id);
  if (nowMs > stored.record.reservation.deadline_ms + LIMITS.lateReportMs) throw tooOld(id);
  await ports.state.restore(stored, nowMs);
  return recordedAnswer(stored.record);
}

function tooOld(id: string): WeirError {
  return new WeirError("decision.too_old", `decision ${id} ended more than seven days ago`);
}

function notFound(id: string): WeirError {
  return new WeirError("decision.not_found", `no decision ${id.slice(0, LIMITS.idChars)}`);
}

/**
 * The rates a report is priced at: those of the model that served the call. Naming another one is no
 * way to pay less: unless the bundle routes to it, the dearer of the two counts, and one without a
 * price is charged as the decided model. The entry says so.
 */
function ratesFor(
  report: Report,
  decision: Decision,
  ports: Ports,
): { readonly rates: Rates | null; readonly flags: readonly string[] } {
  const bundle = ports.bundles.byDigest(decision.bundleDigest) ?? ports.bundles.current();
  const decided = decision.model || decision.askedModel;
  const tier = (report.serviceTier || decision.serviceTier) as ServiceTier;
  const ratesOf = (model: string) =>
    bundle.pricing.priceBook.rates(model, tier, decision.decidedAtMs);
  const own = ratesOf(decided);
  if (report.model === "" || report.model === decided) {
    return { rates: own, flags: own === null ? ["unpriced"] : [] };
  }
  const served = ratesOf(report.model);
  if (served === null) return { rates: own, flags: ["other_model", "unpriced"] };
  const isRouted = bundle.data.routes[decided]?.includes(report.model) === true;
  const rates = isRouted || own === null ? served : dearer(own, served, report);
  return { rates, flags: ["other_model"] };
}

function dearer(one: Rates, other: Rates, { usage }: Report): Rates {
  const oneCost = priceUsage(usage, one).costPicoUsd;
  return priceUsage(usage, other).costPicoUsd > oneCost ? other : one;
}

/** A report to its line; members in alphabetical order, see `serializeLine`. */
function reportRecord(
  report: Report,
  request: SettleRequest,
  principal: string,
  rates: Rates | null,
  flags: readonly string[],
): ReportRecord {
  const { usage } = report;
  return {
    at_ms: request.nowMs,
    basis: report.basis,
    charged_nano_usd: String(request.chargedNanoUsd),
    cost_pico_usd: String(request.costPicoUsd),
    decision_id: report.decisionId,
    digest: request.digest,
    final: report.final,
    flags,
    kind: "report",
    model: report.model,
    outcome: report.outcome,
    price_row: rates?.id ?? "",
    principal,
    sequence: report.sequence,
    usage: {
      cache_read: usage.cacheRead,
      cache_write_1h: usage.cacheWrite1h,
      cache_write_5m: usage.cacheWrite5m,
      input: usage.input,
      output: usage.output,
      reasoning: usage.reasoning,
    },
    v: RECORD_VERSION,
  };
}
