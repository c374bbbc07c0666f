import type { DecisionFacts } from "../../engine/ledger/decision-facts.ts";
import { LEDGER_KINDS, type LedgerEntry, type PriceRow } from "../../engine/ledger/ledger-entry.ts";
import type { Period, RunCost, Sums } from "../../engine/ledger/query.ts";
import type { DecisionEntries, EntryPage, SummaryAnswer } from "../../engine/ledger/reader.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";

export function fromPage({
  entries,
  nextPageToken,
}: EntryPage): Encodable<weir.v1.ListEntriesResponse> {
  return { entries: entries.map(fromEntry), nextPageToken };
}

export function fromDecisionEntries({
  decision,
  entries,
}: DecisionEntries): Encodable<weir.v1.GetDecisionResponse> {
  return { decision: fromFacts(decision), entries: entries.map(fromEntry) };
}

export function fromSummary(answer: SummaryAnswer): Encodable<weir.v1.SummarizeResponse> {
  return {
    coverage: answer.covered.map(({ costPicoUsd, field }) => ({
      costPicoUsd: String(costPicoUsd),
      field,
    })),
    groups: answer.rows.map((row) => ({
      bucketMs: row.bucketMs,
      fields: row.group as Record<string, string>,
      sums: fromSums(row),
    })),
    total: fromSums(answer.total),
    unattributed: fromSums(answer.unattributed),
    unpriced: fromSums(answer.unpriced),
  };
}

export function fromRun(cost: RunCost): Encodable<weir.v1.GetRunResponse> {
  return {
    decisions: cost.decisions,
    firstInferencePicoUsd: String(cost.firstInferencePicoUsd),
    firstMs: cost.firstMs,
    lastMs: cost.lastMs,
    layers: cost.layers.map(({ layer, ...sums }) => ({ layer, sums: fromSums(sums) })),
    run: cost.run,
    tenant: cost.tenant,
    total: fromSums(cost.total),
  };
}

export function fromPeriod(period: Period): Encodable<weir.v1.LedgerPeriod> {
  return { ...period, costPicoUsd: String(period.costPicoUsd) };
}

export function fromPriceRow(row: PriceRow): Encodable<weir.v1.LedgerPriceRow> {
  return {
    book: row.book,
    id: row.id,
    listMicroUsdPerMtok: row.listMicroUsdPerMtok,
    microUsdPerMtok: row.microUsdPerMtok,
    requestPicoUsd: String(row.requestPicoUsd),
  };
}

function fromEntry(entry: LedgerEntry): Encodable<weir.v1.LedgerEntry> {
  const { flags, postings, ...detail } = entry.detail;
  return {
    atMs: entry.atMs,
    bookedMs: entry.bookedMs,
    calls: entry.calls,
    costPicoUsd: String(entry.costPicoUsd),
    decisionId: entry.decisionId,
    detailJson: JSON.stringify(detail),
    dimensions: given(entry.dimensions),
    flags,
    id: entry.id,
    kind: LEDGER_KINDS.indexOf(entry.kind) + 1,
    postings: postings.map((posting) => ({
      budget: posting.budget,
      heldDelta: BigInt(posting.held_delta),
      instance: posting.instance,
      settledDelta: BigInt(posting.settled_delta),
      unit: posting.unit,
    })),
    run: entry.run,
    sequence: entry.sequence,
    tokens: fromTokens(entry.tokens),
    writer: entry.writer,
  };
}

function fromFacts(facts: DecisionFacts): Encodable<weir.v1.LedgerDecision> {
  return {
    askedModel: facts.asked_model,
    atMs: facts.at_ms,
    attribution: given(facts.attribution),
    bundle: facts.bundle,
    costPicoUsd: facts.charged.cost_pico_usd,
    effect: facts.effect,
    estimateMicroUsd: facts.estimate_micro_usd,
    id: facts.id,
    intent: facts.intent,
    layer: facts.layer,
    mode: facts.mode,
    model: facts.charged.model || facts.model,
    principal: facts.principal,
    reasons: facts.reasons,
    run: facts.run,
    step: facts.step,
    tenant: facts.tenant,
  };
}

function fromSums(sums: Sums): Encodable<weir.v1.LedgerSums> {
  const { calls, costPicoUsd, entries, expired, expiredPicoUsd, okCalls, reserved } = sums;
  return {
    calls,
    costPicoUsd: String(costPicoUsd),
    entries,
    expired,
    expiredPicoUsd: String(expiredPicoUsd),
    okCalls,
    reserved,
    tokens: fromTokens(sums.tokens),
  };
}

function fromTokens(tokens: Sums["tokens"]): Encodable<weir.v1.TokenCounts> {
  return {
    cacheRead: tokens.cache_read,
    cacheWrite_1h: tokens.cache_write_1h,
    cacheWrite_5m: tokens.cache_write_5m,
    input: tokens.input,
    output: tokens.output,
    reasoning: tokens.reasoning,
  };
}

function given(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}
