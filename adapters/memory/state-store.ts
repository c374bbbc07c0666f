import type { Decision } from "../../engine/decision/decision.ts";
import type { Posting } from "../../engine/ledger/entry.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Balance, StateStore } from "../../engine/ports.ts";
import type { DecisionRecord, StoredDecision } from "../../engine/record/record.ts";
import type { EndReply, SettleReply, SettleRequest } from "../../engine/reservation/lifecycle.ts";
import type {
  AdjustReply,
  AdjustRequest,
  Freeze,
  Grant,
  Hold,
  ReserveReply,
  ReserveRequest,
  ScopeCharge,
  ScopeStatus,
  Snapshot,
  TenantFreeze,
  VelocityRequest,
} from "../../engine/reservation/reservation.ts";
import { busiest } from "../../engine/velocity/busiest.ts";
import { BalanceTable } from "./balance-table.ts";
import { restoreReservation } from "./restore.ts";
import { isLive, type Reservation } from "./reservation-table.ts";
import type { ScopeMark } from "./scope-table.ts";
import { settleReservation } from "./settle.ts";
import { TenantState } from "./tenant-state.ts";
import { TimeWheel } from "./time-wheel.ts";

const DAY_MS = 86_400_000;
/** Idle time after which state is forgotten: longer than any report may be late. */
const IDLE_MS = 8 * DAY_MS;
const HOUSEKEEPING_MS = 3_600_000;

/**
 * The state of one node, in its own memory. Every method does its work before it first yields, so
 * calls are atomic. Durable through the log alone: see ./recover.ts.
 */
export class MemoryStateStore implements StateStore {
  readonly reservations = new Map<string, Reservation>();
  readonly #byKey = new Map<string, Reservation>();
  readonly #tenants = new Map<string, TenantState>();
  readonly #balances = new BalanceTable();
  readonly #deadlines = new TimeWheel(1_000);
  readonly #retention = new TimeWheel(60_000);
  #sequence = 0;
  #open = 0;
  #housekeptMs = 0;

  reserve(request: ReserveRequest): Promise<ReserveReply> {
    return Promise.resolve(this.reserveNow(request));
  }

  /** The synchronous form, for recovery. */
  reserveNow(request: ReserveRequest): ReserveReply {
    const repeated = this.#repeat(request);
    if (repeated !== null) return repeated;
    const tenant = this.tenant(request.tenant);
    const nowMs = tenant.advance(request.nowMs);
    const freezes = this.#frozen(tenant, request.freezeScopes);
    const snapshot = this.#snapshot(tenant, request, nowMs, freezes);
    const fits = allFit(request.holds, snapshot);
    const held = freezes.length === 0 && (fits || request.force);
    const reservation = newReservation(request);
    reservation.attempts = tenant.scopes.attempt(request.scopes, request.isRetry, held, nowMs);
    if (held)
      this.#admit(reservation, tenant, request.holds, request.scopes, request.costNanoUsd, nowMs);
    this.#keep(reservation);
    const forced = held && !fits;
    return { forced, held, kind: "reserved", nowMs, snapshot, stateSequence: ++this.#sequence };
  }

  adjust(request: AdjustRequest): Promise<AdjustReply> {
    const reservation = this.#known(request.decisionId);
    const tenant = this.tenant(request.tenant);
    this.#takeBack(reservation, tenant, request.nowMs);
    tenant.scopes.unattempt(reservation.attempts, reservation.isRetry);
    const freezes = this.#frozen(tenant, request.freezeScopes);
    const judged = { ...reservation, ...request };
    const snapshot = this.#snapshot(tenant, judged, request.nowMs, freezes);
    const held = freezes.length === 0 && allFit(request.holds, snapshot);
    const { isRetry } = reservation;
    reservation.attempts = tenant.scopes.attempt(request.scopes, isRetry, held, request.nowMs);
    if (held)
      this.#admit(
        reservation,
        tenant,
        request.holds,
        request.scopes,
        request.costNanoUsd,
        request.nowMs,
      );
    return Promise.resolve({ held, snapshot, stateSequence: ++this.#sequence });
  }

  conclude(decisionId: string, decision: Decision): Promise<void> {
    const reservation = this.#known(decisionId);
    reservation.decision = decision;
    reservation.attempts = NO_MARKS;
    if (reservation.state === "judging") reservation.state = "open";
    return Promise.resolve();
  }

  release(decisionId: string, nowMs: number): Promise<EndReply> {
    const reservation = this.reservations.get(decisionId);
    if (reservation === undefined) return Promise.resolve(unknownEnd(decisionId));
    if (!isLive(reservation)) return Promise.resolve(this.#noEnd(reservation));
    const tenant = this.tenant(reservation.tenant);
    const postings = this.#dropHolds(reservation, nowMs);
    tenant.scopes.land(reservation.marks);
    if (reservation.sequence === 0) {
      tenant.scopes.correct(reservation.marks, -reservation.counted, -1, nowMs);
      if (reservation.admitted) tenant.runs.undo(reservation.run, reservation.counted);
      tenant.scopes.dropBlank(reservation.marks);
      reservation.counted = 0;
      reservation.marks = NO_MARKS;
    }
    return Promise.resolve(this.#end(reservation, "released", postings));
  }

  abandon(decisionId: string, nowMs: number): Promise<EndReply> {
    const reservation = this.reservations.get(decisionId);
    if (reservation !== undefined && this.#byKey.get(reservation.idempotencyKey) === reservation) {
      this.#byKey.delete(reservation.idempotencyKey);
    }
    return this.release(decisionId, nowMs);
  }

  settle(request: SettleRequest): Promise<SettleReply> {
    const reservation = this.reservations.get(request.decisionId);
    const wasLive = reservation !== undefined && isLive(reservation);
    const reply = settleReservation(reservation, request, {
      balances: this.#balances,
      nextSequence: () => ++this.#sequence,
      tenant: (name) => this.tenant(name),
    });
    if (reservation !== undefined && wasLive && !isLive(reservation)) this.#open -= 1;
    return Promise.resolve(reply);
  }

  expire(nowMs: number, max: number): Promise<readonly EndReply[]> {
    const ends: EndReply[] = [];
    this.#deadlines.drain(nowMs, (decisionId) => {
      if (ends.length >= max) return false;
      const reservation = this.reservations.get(decisionId);
      if (reservation !== undefined && isLive(reservation))
        ends.push(this.#expireOne(reservation, nowMs));
      return true;
    });
    this.#forget(nowMs);
    return Promise.resolve(ends);
  }

  decision(decisionId: string): Promise<Decision | null> {
    return Promise.resolve(this.reservations.get(decisionId)?.decision ?? null);
  }

  restore(stored: StoredDecision, nowMs: number): Promise<void> {
    if (this.reservations.has(stored.record.id)) return Promise.resolve();
    const restored = restoreReservation(stored, nowMs);
    // The intent may have been decided again since; the key is the newer decision's.
    const newer = this.#byKey.get(restored.idempotencyKey);
    this.#keep(restored);
    if (newer !== undefined) this.#byKey.set(restored.idempotencyKey, newer);
    return Promise.resolve();
  }

  /** Makes a recorded decision's changes again, at their own time; see recover.ts. */
  replay(record: DecisionRecord, scopesOf: (model: string) => readonly ScopeCharge[]): void {
    const reservation = restoreReservation({ later: [], record }, record.at_ms);
    const tenant = this.tenant(record.tenant);
    const nowMs = tenant.advance(record.at_ms);
    const { holds } = reservation;
    Object.assign(reservation, {
      admitted: false,
      decision: null,
      held: [],
      settled: [],
      state: "judging",
    });
    const { tried } = record.reservation;
    tried.forEach(({ cost_nano_usd, held, model }, index) => {
      this.#takeBack(reservation, tenant, nowMs);
      tenant.scopes.unattempt(reservation.attempts, reservation.isRetry);
      const scopes = scopesOf(model);
      tenant.scopes.snapshot(scopes, nowMs);
      reservation.attempts = tenant.scopes.attempt(scopes, reservation.isRetry, held, nowMs);
      const last = index === tried.length - 1;
      if (held)
        this.#admit(reservation, tenant, last ? holds : [], scopes, Number(cost_nano_usd), nowMs);
    });
    reservation.holds = holds;
    this.#keep(reservation);
  }

  /** Ends one reservation as expired; for recovery. */
  expireNow(decisionId: string, nowMs: number): EndReply {
    const reservation = this.reservations.get(decisionId);
    if (reservation === undefined || !isLive(reservation)) return unknownEnd(decisionId);
    return this.#expireOne(reservation, nowMs);
  }

  freeze(tenant: string, freeze: Freeze): Promise<void> {
    this.tenant(tenant).freezes.set(freeze.scope, freeze);
    return Promise.resolve();
  }

  unfreeze(tenant: string, scope: string): Promise<void> {
    this.tenant(tenant).freezes.delete(scope);
    return Promise.resolve();
  }

  freezes(): Promise<readonly TenantFreeze[]> {
    const all = [...this.#tenants].flatMap(([tenant, { freezes }]) =>
      [...freezes.values()].map((freeze) => ({ ...freeze, tenant })),
    );
    return Promise.resolve(all);
  }

  grant(grant: Grant): Promise<void> {
    this.tenant(grant.tenant).grants.set(`${grant.budget}\n${grant.id}`, grant);
    return Promise.resolve();
  }

  grants(): Promise<readonly Grant[]> {
    return Promise.resolve(
      [...this.#tenants.values()].flatMap(({ grants }) => [...grants.values()]),
    );
  }

  velocity(request: VelocityRequest): Promise<readonly ScopeStatus[]> {
    const scopes = this.#tenants.get(request.tenant)?.scopes.look(request) ?? [];
    return Promise.resolve(busiest(scopes, request.top));
  }

  balances(): Promise<readonly Balance[]> {
    return Promise.resolve(this.#balances.list());
  }

  openReservations(): Promise<number> {
    return Promise.resolve(this.#open);
  }

  /** State of a tenant, made on first use; "*" holds the freezes of the whole platform. */
  tenant(name: string): TenantState {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = new TenantState();
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }

  get tenants(): ReadonlyMap<string, TenantState> {
    return this.#tenants;
  }

  /** Continues the numbering of a log that was read back. */
  resumeSequence(sequence: number): void {
    if (sequence > this.#sequence) this.#sequence = sequence;
  }

  #repeat(request: ReserveRequest): ReserveReply | null {
    const earlier = this.#byKey.get(request.idempotencyKey);
    if (earlier === undefined) return null;
    if (earlier.contentDigest !== request.contentDigest) return { kind: "conflict" };
    const { decision } = earlier;
    if (decision === null) return isLive(earlier) ? { kind: "in_flight" } : null;
    switch (decision.effect) {
      case "block":
        return { decisionId: earlier.decisionId, kind: "replay" };
      case "throttle":
        return request.nowMs < decision.decidedAtMs + decision.retryAfterMs
          ? { decisionId: earlier.decisionId, kind: "replay" }
          : null;
      case "allow":
      case "reroute":
        return isLive(earlier)
          ? { decisionId: earlier.decisionId, kind: "replay" }
          : { kind: "finished" };
    }
  }

  #frozen(tenant: TenantState, scopes: readonly string[]): readonly Freeze[] {
    return [...tenant.frozen(scopes), ...this.tenant("*").frozen(scopes)];
  }

  #snapshot(
    tenant: TenantState,
    request: Pick<ReserveRequest, "holds" | "scopes" | "run" | "principal">,
    nowMs: number,
    freezes: readonly Freeze[],
  ): Snapshot {
    return {
      budgets: this.#balances.snapshot(request.holds),
      freezes,
      run: tenant.runs.snapshot(request.run),
      scopes: tenant.scopes.snapshot(request.scopes, nowMs),
      unreported: tenant.unreported(request.principal, nowMs),
    };
  }

  #admit(
    reservation: Reservation,
    tenant: TenantState,
    holds: readonly Hold[],
    scopes: readonly ScopeCharge[],
    cost: number,
    nowMs: number,
  ): void {
    this.#balances.hold(holds, nowMs);
    reservation.holds = holds;
    reservation.held = holds.map((hold) => hold.amount);
    reservation.settled = holds.map(() => 0n);
    reservation.marks = tenant.scopes.charge(scopes, cost);
    tenant.runs.charge(reservation.run, cost, nowMs);
    reservation.admitted = true;
    reservation.counted = cost;
  }

  /** Undoes an admission as if it had never been, but for the attempt. */
  #takeBack(reservation: Reservation, tenant: TenantState, nowMs: number): void {
    if (!reservation.admitted) return;
    this.#balances.unhold(reservation.holds, nowMs);
    tenant.scopes.correct(reservation.marks, -reservation.counted, -1, nowMs);
    tenant.scopes.land(reservation.marks);
    tenant.scopes.dropBlank(reservation.marks);
    tenant.runs.undo(reservation.run, reservation.counted);
    reservation.held = [];
    reservation.settled = [];
    reservation.holds = reservation.asked;
    reservation.marks = [];
    reservation.admitted = false;
    reservation.counted = 0;
  }

  #dropHolds(reservation: Reservation, nowMs: number): readonly Posting[] {
    const postings = reservation.holds.flatMap((hold, index) => {
      const held = reservation.held[index] ?? 0n;
      return held === 0n ? [] : [this.#balances.post(hold, -held, 0n, nowMs)];
    });
    reservation.held = reservation.held.map(() => 0n);
    return postings;
  }

  #expireOne(reservation: Reservation, nowMs: number): EndReply {
    const tenant = this.tenant(reservation.tenant);
    let chargedNanoUsd = 0n;
    const postings = reservation.holds.flatMap((hold, index) => {
      const held = reservation.held[index] ?? 0n;
      // A partial report is what is known of the call: nothing is charged on top of it.
      const charges = reservation.admitted && reservation.sequence === 0;
      const charge = charges ? hold.onExpiryAmount : 0n;
      if (hold.unit === "nano_usd" && charge > chargedNanoUsd) chargedNanoUsd = charge;
      reservation.settled[index] = (reservation.settled[index] ?? 0n) + charge;
      return held === 0n && charge === 0n ? [] : [this.#balances.post(hold, -held, charge, nowMs)];
    });
    reservation.held = reservation.held.map(() => 0n);
    tenant.scopes.land(reservation.marks);
    if (reservation.sequence === 0) {
      const correction = Number(chargedNanoUsd) - reservation.counted;
      tenant.scopes.correct(reservation.marks, correction, 0, nowMs);
      tenant.runs.correct(reservation.run, correction, nowMs);
      reservation.counted = Number(chargedNanoUsd);
    }
    tenant.countEnding(reservation.principal, nowMs, true);
    const end = this.#end(reservation, "expired", postings);
    return reservation.sequence === 0 ? { ...end, costPicoUsd: chargedNanoUsd * 1_000n } : end;
  }

  #end(
    reservation: Reservation,
    state: "released" | "expired",
    postings: readonly Posting[],
  ): EndReply {
    reservation.state = state;
    this.#open -= 1;
    return {
      costPicoUsd: reservation.costPicoUsd,
      decisionId: reservation.decisionId,
      ended: true,
      held: reservation.admitted,
      postings,
      state,
      stateSequence: ++this.#sequence,
    };
  }

  #noEnd(reservation: Reservation): EndReply {
    return { ...unknownEnd(reservation.decisionId), state: reservation.state };
  }

  #known(decisionId: string): Reservation {
    const reservation = this.reservations.get(decisionId);
    if (reservation === undefined) throw new Error(`no reservation ${decisionId}`);
    return reservation;
  }

  #keep(reservation: Reservation): void {
    const { deadlineMs, decisionId, idempotencyKey } = reservation;
    this.reservations.set(decisionId, reservation);
    this.#byKey.set(idempotencyKey, reservation);
    if (isLive(reservation)) {
      this.#open += 1;
      this.#deadlines.add(deadlineMs, decisionId);
    }
    this.#retention.add(deadlineMs + LIMITS.idempotencyGraceMs, decisionId);
  }

  /** Drops what no later call can need; the log keeps it. */
  #forget(nowMs: number): void {
    this.#retention.drain(nowMs, (decisionId) => {
      const reservation = this.reservations.get(decisionId);
      if (reservation === undefined) return true;
      // It still holds: a later sweep ends it first.
      if (isLive(reservation)) return false;
      this.reservations.delete(decisionId);
      const { idempotencyKey } = reservation;
      if (this.#byKey.get(idempotencyKey) === reservation) this.#byKey.delete(idempotencyKey);
      return true;
    });
    if (nowMs - this.#housekeptMs < HOUSEKEEPING_MS) return;
    this.#housekeptMs = nowMs;
    for (const tenant of this.#tenants.values()) tenant.forget(nowMs - IDLE_MS, nowMs - DAY_MS);
    this.#balances.forget(nowMs - IDLE_MS);
  }
}

// Ended reservations are kept for minutes: what they no longer need is let go.
const NO_MARKS: readonly ScopeMark[] = Object.freeze([]);

function newReservation(request: ReserveRequest): Reservation {
  return {
    admitted: false,
    asked: request.holds,
    attempts: [],
    basis: "estimated",
    chargedNanoUsd: 0n,
    contentDigest: request.contentDigest,
    costPicoUsd: 0n,
    counted: 0,
    deadlineMs: request.deadlineMs,
    decision: null,
    decisionId: request.decisionId,
    digest: "",
    held: [],
    holds: request.holds,
    idempotencyKey: request.idempotencyKey,
    isRetry: request.isRetry,
    marks: [],
    principal: request.principal,
    run: request.run,
    sequence: 0,
    settled: [],
    state: "judging",
    tenant: request.tenant,
  };
}

function allFit(holds: readonly Hold[], snapshot: Snapshot): boolean {
  return holds.every(
    (hold, index) => hold.mode === "soft" || snapshot.budgets[index]?.fits === true,
  );
}

function unknownEnd(decisionId: string): EndReply {
  return {
    costPicoUsd: 0n,
    decisionId,
    ended: false,
    held: false,
    postings: [],
    state: "unknown",
    stateSequence: 0,
  };
}
