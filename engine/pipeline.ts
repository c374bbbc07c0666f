import type { Decision, Mode } from "./decision/decision.ts";
import { decisionId } from "./decision/decision-id.ts";
import { type Context, judge, planOption } from "./decision/judge.ts";
import { resolve, runningOption } from "./decision/resolve.ts";
import { WeirError } from "./errors.ts";
import { checkClaims, mayActFor } from "./intent/claims.ts";
import type { Intent, RawIntent } from "./intent/intent.ts";
import { maskIntent } from "./intent/mask.ts";
import { parseIntent } from "./intent/parse.ts";
import { findDecision, postEnd, settleReport, UNDELIVERED } from "./ledger/settle.ts";
import { parseCancel, parseReport } from "./ledger/parse-report.ts";
import type { RawReport, ReportResult } from "./ledger/report.ts";
import type { Bundle } from "./policy/bundle.ts";
import type { Ports } from "./ports.ts";
import { RECORD_VERSION } from "./record/record.ts";
import { RetainingLog } from "./record/retaining-log.ts";
import { decisionRecord } from "./record/write.ts";
import type { FreezeTable } from "./reservation/freeze-table.ts";
import { GrantTable } from "./reservation/grants.ts";
import { conflictOf, type Identity, identify, reserveRequest } from "./reservation/request.ts";
import type { ReserveReply, ReserveRequest } from "./reservation/reservation.ts";
import { SteadyClock } from "./steady-clock.ts";
import type { Caller, Weir } from "./weir.ts";

export interface WeirOptions {
  /** Mode of the deployment; the bundle may say otherwise per tenant. */
  readonly mode: Mode;
  /** Time of the last line of the log, epoch ms: time does not go back behind it. */
  readonly notBeforeMs?: number;
  /** Decisions in flight above which new ones are refused. */
  readonly inFlightMax: number;
  /** Shared with the operator's side; absent: none. */
  readonly grants?: GrantTable;
  /** What was frozen when the store last answered; absent: nothing. */
  readonly freezes?: FreezeTable;
}

/** The engine: the whole flow from intent to decision, and from report to settlement. */
export function createWeir(ports: Ports, options: WeirOptions): Weir {
  return new Pipeline(ports, options);
}

interface InFlight {
  readonly digest: string;
  readonly answer: Promise<Decision>;
  /** Another caller waits for the same answer. */
  joined: boolean;
}

class Pipeline implements Weir {
  readonly #ports: Ports;
  readonly #log: RetainingLog;
  readonly #options: WeirOptions;
  readonly #grants: GrantTable;
  readonly #inFlight = new Map<string, InFlight>();
  /** Answers that more than one caller got. */
  readonly #shared = new WeakSet<Decision>();
  /** Work that goes on after an answer has left: releases and their entries. */
  readonly #background = new Set<Promise<void>>();

  constructor(ports: Ports, options: WeirOptions) {
    this.#log = new RetainingLog(ports.log);
    const clock = new SteadyClock(ports.clock, options.notBeforeMs ?? 0);
    this.#ports = { ...ports, clock, log: this.#log };
    this.#options = options;
    this.#grants = options.grants ?? new GrantTable();
  }

  async decide(raw: RawIntent, caller: Caller): Promise<Decision> {
    const bundle = this.#ports.bundles.current();
    const intent = await this.#admit(raw, caller, bundle);
    const identity = identify(intent);
    const running = this.#inFlight.get(identity.key);
    if (running !== undefined) return this.#join(running, intent, identity);
    if (this.#inFlight.size >= this.#options.inFlightMax) {
      const message = `${this.#inFlight.size} decisions are in flight, at most ${this.#options.inFlightMax} are accepted`;
      throw new WeirError("server.overloaded", message);
    }
    const answer = this.#decideOnce(intent, identity, bundle);
    const started: InFlight = { answer, digest: identity.digest, joined: false };
    this.#inFlight.set(identity.key, started);
    try {
      const decision = await answer;
      if (started.joined) this.#shared.add(decision);
      return decision;
    } catch (thrown) {
      throw WeirError.from(thrown);
    } finally {
      this.#inFlight.delete(identity.key);
    }
  }

  /** The same intent again while it is being decided: the same answer. */
  async #join(running: InFlight, intent: Intent, identity: Identity): Promise<Decision> {
    if (running.digest !== identity.digest) throw conflictOf(intent);
    running.joined = true;
    return { ...(await running.answer), replayed: true };
  }

  /** The flow of one decision, in order: price, reserve, judge, resolve, record, answer. */
  async #decideOnce(intent: Intent, identity: Identity, bundle: Bundle): Promise<Decision> {
    const { clock, log, state } = this.#ports;
    const startUs = clock.elapsedUs();
    const elapsedUs = () => clock.elapsedUs();
    const nowMs = clock.nowMs();
    const { tenants } = bundle.data.modes;
    const mode =
      (Object.hasOwn(tenants, intent.tenant) ? tenants[intent.tenant] : undefined) ??
      this.#options.mode;
    const asked = planOption(intent, bundle, intent.model, nowMs, this.#grants);
    const request = reserveRequest(intent, identity, asked, {
      id: decisionId(intent.tenant, nowMs, this.#ports.ids.random128()),
      nowMs,
      ttlMs: bundle.data.limits.reservation_ttl_ms,
      force: mode === "shadow",
    });

    const reply = await this.#reserve(request);
    if (reply !== null && reply.kind !== "reserved") return this.#repeat(reply, intent);
    const stateUs = clock.elapsedUs() - startUs;
    const context: Context = {
      asked,
      bundle,
      decisionId: request.decisionId,
      forced: reply?.forced ?? false,
      grants: this.#grants,
      held: reply?.held ?? false,
      intent,
      knownFreezes: this.#options.freezes?.among(intent.tenant, request.freezeScopes) ?? [],
      mode,
      nowMs: reply?.nowMs ?? nowMs,
      snapshot: reply?.snapshot ?? null,
      stateSequence: reply?.stateSequence ?? 0,
    };
    let recorded = false;
    try {
      const judgement = await judge(context, state, elapsedUs);
      const decision = resolve(context, judgement, request.deadlineMs);
      const record = decisionRecord({
        context,
        decision,
        judgement,
        request,
        stateUs,
        totalUs: clock.elapsedUs() - startUs,
      });
      await log.append(record);
      recorded = true;
      if (reply !== null)
        await this.#conclude(decision, runningOption(decision, context, judgement) === null);
      return decision;
    } catch (thrown) {
      // Nothing was answered, so nothing may stay held; the ledger knows of a hold only by its record.
      if (reply !== null) this.#later(this.#abandon(request.decisionId, nowMs, recorded));
      throw thrown;
    }
  }

  async report(raw: RawReport, caller: Caller): Promise<ReportResult> {
    try {
      const report = parseReport(raw);
      const decision = await this.#mine(report.decisionId, caller);
      const result = await settleReport(report, decision, caller.principal, this.#ports);
      const { unknownUsage } = report;
      return unknownUsage.length === 0 ? result : { ...result, unknownUsage };
    } catch (thrown) {
      throw WeirError.from(thrown);
    }
  }

  async cancel(decisionId: string, caller: Caller): Promise<{ readonly released: boolean }> {
    try {
      const decision = await this.#mine(parseCancel(decisionId), caller);
      const end = await this.#ports.state.release(decision.id, this.#ports.clock.nowMs());
      if (end.state === "settled") {
        const message = `decision ${decisionId} has a final report and cannot be cancelled`;
        throw new WeirError("decision.finished", message);
      }
      await postEnd(end, "released", this.#ports);
      return { released: end.ended };
    } catch (thrown) {
      throw WeirError.from(thrown);
    }
  }

  async undelivered(decision: Decision): Promise<void> {
    // Another caller sent the same intent and has the answer: the hold is its too.
    if (decision.replayed || this.#shared.has(decision)) return;
    try {
      await this.#abandon(decision.id, this.#ports.clock.nowMs(), true);
    } catch {
      // The reservation expires by its own deadline.
    }
  }

  async sweep(): Promise<number> {
    await this.#log.retry();
    for (let total = 0; ;) {
      const ends = await this.#ports.state.expire(this.#ports.clock.nowMs(), SWEEP_MAX);
      await Promise.allSettled(ends.map((end) => postEnd(end, "expired", this.#ports)));
      total += ends.length;
      if (ends.length < SWEEP_MAX) return total;
    }
  }

  async idle(): Promise<void> {
    while (this.#inFlight.size > 0 || this.#background.size > 0) {
      const answers = [...this.#inFlight.values()].map((running) => running.answer);
      await Promise.allSettled([...answers, ...this.#background]);
    }
  }

  /** Parses and checks the claims; a refusal is logged without its content. */
  async #admit(raw: RawIntent, caller: Caller, bundle: Bundle): Promise<Intent> {
    try {
      const intent = parseIntent(raw, caller.principal);
      checkClaims(bundle.data.principals, caller.principal, intent.tenant, intent.attribution);
      return maskIntent(intent, bundle.data.masking, this.#ports.masks);
    } catch (thrown) {
      const error = WeirError.from(thrown);
      await this.#ports.log.append({
        v: RECORD_VERSION,
        kind: "rejected",
        at_ms: this.#ports.clock.nowMs(),
        code: error.code,
        fields: error.violations.map((violation) => violation.field),
        principal: caller.principal,
      });
      throw error;
    }
  }

  /** A store that does not answer is a fact (null), not an exception. */
  async #reserve(request: ReserveRequest): Promise<ReserveReply | null> {
    try {
      return await this.#ports.state.reserve(request);
    } catch (thrown) {
      const error = WeirError.from(thrown);
      if (error.code === "state.unavailable") return null;
      throw error;
    }
  }

  async #repeat(
    reply: Exclude<ReserveReply, { kind: "reserved" }>,
    intent: Intent,
  ): Promise<Decision> {
    switch (reply.kind) {
      case "replay": {
        const decision = await findDecision(reply.decisionId, this.#ports);
        // The hold is this caller's too, should the first answer prove undelivered.
        this.#shared.add(decision);
        return { ...decision, replayed: true };
      }
      case "conflict":
        throw conflictOf(intent);
      case "in_flight":
        throw new WeirError("intent.in_flight", "the same intent is being decided by another node");
      case "finished":
        throw new WeirError(
          "intent.finished",
          "the intent was decided and has ended; a retry is a new attempt",
        );
    }
  }

  /** Makes the decision repeatable; a decision that runs nothing gives its hold back, after the answer. */
  async #conclude(decision: Decision, runsNothing: boolean): Promise<void> {
    await this.#ports.state.conclude(decision.id, decision);
    if (!runsNothing) return;
    const release = this.#ports.state.release(decision.id, decision.decidedAtMs);
    this.#later(release.then((end) => postEnd(end, "released", this.#ports)));
  }

  async #abandon(id: string, nowMs: number, recorded: boolean): Promise<void> {
    const end = await this.#ports.state.abandon(id, nowMs);
    if (recorded) await postEnd(end, "released", this.#ports, [UNDELIVERED]);
  }

  #later(work: Promise<void>): void {
    const kept = work
      .catch(() => undefined)
      .finally(() => {
        this.#background.delete(kept);
      });
    this.#background.add(kept);
  }

  /** The decision, if the caller may act for its tenant; to a stranger it does not exist. */
  async #mine(id: string, caller: Caller): Promise<Decision> {
    const decision = await findDecision(id, this.#ports);
    const { principals } = this.#ports.bundles.current().data;
    if (mayActFor(principals, caller.principal, decision.tenant)) return decision;
    throw new WeirError("decision.not_found", `no decision ${id}`);
  }
}

/** Ended at a time, between which other work gets its turn. */
const SWEEP_MAX = 1_000;
