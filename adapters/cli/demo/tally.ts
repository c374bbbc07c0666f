import type { Effect } from "../../../engine/decision/decision.ts";
import { parseIntent } from "../../../engine/intent/parse.ts";
import type { Bundle } from "../../../engine/policy/bundle.ts";
import { estimate } from "../../../engine/pricing/estimate.ts";
import type { DecisionRecord, EntryRecord, LogLine } from "../../../engine/record/record.ts";
import { identify } from "../../../engine/reservation/request.ts";
import type { PlannedCall } from "./mapping.ts";
import type { Trouble } from "./trouble.ts";

/** Money, pico-USD. */
export interface Money {
  /** Expected cost of the admitted calls, on the models that serve them. */
  estimated: bigint;
  /** What their reports settled. */
  settled: bigint;
  /** Expected cost of the calls that did not run, and what reroutes saved (or cost) against the model asked for. */
  avoided: bigint;
  /** What was held for calls that nobody ever reported. */
  unreported: bigint;
}

export interface TeamTally {
  readonly team: string;
  calls: number;
  rejected: number;
  readonly effects: Record<Effect, number>;
  readonly usd: Money;
}

/** A reason with the number of calls it was given for, and the first message it had. */
export interface ReasonTally {
  readonly code: string;
  count: number;
  readonly severity: string;
  readonly example: string;
}

/** How long trouble went on, and what it cost until it was stopped. */
export interface Stop {
  /** From its first call to the first one that was stopped; null: it never was. */
  readonly detectMs: number | null;
  readonly leaked: bigint;
  readonly calls: number;
  /** Calls admitted until the first one was stopped, and in all. */
  readonly admittedBefore: number;
  readonly admitted: number;
  /** Calls of others that were stopped by a rule on the same team or feature. */
  readonly bystanders: number;
}

/** What became of the reports. */
export interface ReportTally {
  once: number;
  partial: number;
  repeated: number;
  late: number;
  overrun: number;
  never: number;
}

/** The figures of a run. The warm-up counts in none of them. */
export interface Tally {
  readonly teams: readonly TeamTally[];
  readonly total: TeamTally;
  readonly reasons: readonly ReasonTally[];
  readonly reports: ReportTally;
  readonly burst: Stop;
  readonly loop: Stop;
  /** Time the calls took in the trace. */
  readonly spanMs: number;
}

/** One call with what the log says of it. */
interface Outcome {
  readonly call: PlannedCall;
  /** null: rejected. */
  readonly record: DecisionRecord | null;
  readonly entries: readonly EntryRecord[];
  readonly reports: number;
  /** What its reports settled; null: none came. */
  readonly settled: bigint | null;
  /** What was held for it at most. */
  readonly held: bigint;
}

/** Adds up a run from its log alone, call by call. */
export function tallyRun(
  calls: readonly PlannedCall[],
  lines: readonly LogLine[],
  bundle: Bundle,
): Tally {
  const outcomes = matchOutcomes(calls, lines);
  const teams = new Map<string, TeamTally>();
  const total = emptyTeam("all");
  const reasons = new Map<string, ReasonTally>();
  const reports: ReportTally = { late: 0, never: 0, once: 0, overrun: 0, partial: 0, repeated: 0 };
  for (const outcome of outcomes) {
    const name = String(outcome.call.intent.attribution?.["team"]);
    const team = teams.get(name) ?? emptyTeam(name);
    teams.set(name, team);
    const money = moneyOf(outcome, bundle);
    for (const sum of [team, total]) addOutcome(sum, outcome, money);
    countReasons(reasons, outcome.record);
    countReports(reports, outcome);
  }
  const firstMs = calls[0]?.atMs ?? 0;
  return {
    burst: stopOf(outcomes, "burst", (code) => code.startsWith("velocity.")),
    loop: stopOf(outcomes, "agent_loop", (code) => code.startsWith("agent.")),
    reasons: [...reasons.values()].toSorted(
      (one, other) => other.count - one.count || (one.code < other.code ? -1 : 1),
    ),
    reports,
    spanMs: (calls.at(-1)?.atMs ?? firstMs) - firstMs,
    teams: [...teams.values()].toSorted((one, other) => other.calls - one.calls),
    total,
  };
}

function matchOutcomes(
  calls: readonly PlannedCall[],
  lines: readonly LogLine[],
): readonly Outcome[] {
  const records = new Map<string, DecisionRecord>();
  const entries = new Map<string, EntryRecord[]>();
  const reports = new Map<string, number>();
  for (const line of lines) {
    if (line.kind === "decision") records.set(line.reservation.idempotency_key, line);
    if (line.kind === "report")
      reports.set(line.decision_id, (reports.get(line.decision_id) ?? 0) + 1);
    if (line.kind !== "entry") continue;
    const known = entries.get(line.decision_id);
    if (known === undefined) entries.set(line.decision_id, [line]);
    else known.push(line);
  }
  return calls.map((call) => {
    const { key } = identify(parseIntent(call.intent, call.principal));
    const record = records.get(key) ?? null;
    const own = record === null ? [] : (entries.get(record.id) ?? []);
    const last = own.findLast(({ entry }) => entry === "settled" || entry === "corrected");
    return {
      call,
      entries: own,
      held: heldOf(record),
      record,
      reports: record === null ? 0 : (reports.get(record.id) ?? 0),
      settled: last === undefined ? null : BigInt(last.cost_pico_usd),
    };
  });
}

/** The most that was held on one money budget: hard ones hold what the call can cost at most. */
function heldOf(record: DecisionRecord | null): bigint {
  let most = 0n;
  if (record === null || !record.reservation.held) return most;
  for (const { amount, unit } of record.reservation.holds) {
    if (unit === "nano_usd" && BigInt(amount) > most) most = BigInt(amount);
  }
  return most * 1_000n;
}

function emptyTeam(team: string): TeamTally {
  return {
    calls: 0,
    effects: { allow: 0, reroute: 0, throttle: 0, block: 0 },
    rejected: 0,
    team,
    usd: { avoided: 0n, estimated: 0n, settled: 0n, unreported: 0n },
  };
}

function addOutcome(sum: TeamTally, { record }: Outcome, money: Money): void {
  sum.calls += 1;
  if (record === null) {
    sum.rejected += 1;
    return;
  }
  sum.effects[record.decision.effect] += 1;
  sum.usd.avoided += money.avoided;
  sum.usd.estimated += money.estimated;
  sum.usd.settled += money.settled;
  sum.usd.unreported += money.unreported;
}

function moneyOf({ call, held, record, settled }: Outcome, bundle: Bundle): Money {
  const none = { avoided: 0n, estimated: 0n, settled: 0n, unreported: 0n };
  if (record === null) return none;
  const intent = parseIntent(call.intent, call.principal);
  const expected = (model: string) =>
    estimate(intent, bundle.pricing, record.at_ms, model).expectedPicoUsd;
  const asked = expected(intent.model);
  if (!isAdmitted(record)) return { ...none, avoided: asked };
  const served = expected(record.decision.model);
  return {
    avoided: asked - served,
    estimated: served,
    settled: settled ?? 0n,
    unreported: settled === null ? held : 0n,
  };
}

function isAdmitted({ decision }: DecisionRecord): boolean {
  return decision.effect === "allow" || decision.effect === "reroute";
}

function countReasons(tally: Map<string, ReasonTally>, record: DecisionRecord | null): void {
  const seen = new Set<string>();
  for (const { code, message, severity } of record?.decision.reasons ?? []) {
    if (seen.has(code)) continue;
    seen.add(code);
    const known = tally.get(code);
    if (known === undefined) tally.set(code, { code, count: 1, example: message, severity });
    else known.count += 1;
  }
}

function countReports(tally: ReportTally, { entries, record, reports, settled }: Outcome): void {
  if (record === null || !isAdmitted(record)) return;
  if (settled === null) {
    tally.never += 1;
    return;
  }
  const flagged = (flag: string) => entries.some(({ flags }) => flags.includes(flag));
  const posted = entries.filter(({ entry }) => entry === "settled" || entry === "corrected").length;
  if (flagged("late")) tally.late += 1;
  else if (flagged("overrun")) tally.overrun += 1;
  else if (flagged("partial")) tally.partial += 1;
  else if (reports > posted) tally.repeated += 1;
  else tally.once += 1;
}

/** From the first call of the trouble to the first of them that was throttled or blocked for it. */
function stopOf(
  outcomes: readonly Outcome[],
  trouble: Trouble,
  stops: (code: string) => boolean,
): Stop {
  const isStopped = ({ record }: Outcome) => {
    if (record === null || isAdmitted(record)) return false;
    return record.decision.reasons.some(({ code }) => stops(code));
  };
  const own = outcomes.filter(({ call }) => call.trouble === trouble);
  const place = own.findIndex(isStopped);
  const before = (place < 0 ? own : own.slice(0, place)).filter(runs);
  const startMs = own[0]?.call.atMs ?? 0;
  const stopped = own[place];
  return {
    admitted: own.filter(runs).length,
    admittedBefore: before.length,
    bystanders: outcomes.filter((outcome) => outcome.call.trouble === null && isStopped(outcome))
      .length,
    calls: own.length,
    detectMs: stopped === undefined ? null : stopped.call.atMs - startMs,
    leaked: before.reduce((sum, { held, settled }) => sum + (settled ?? held), 0n),
  };
}

function runs({ record }: Outcome): boolean {
  return record !== null && isAdmitted(record);
}
