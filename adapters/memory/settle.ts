import type { Posting } from "../../engine/ledger/entry.ts";
import { safeNumber } from "../../engine/money.ts";
import type {
  SettleReply,
  SettleRequest,
  SettleStatus,
} from "../../engine/reservation/lifecycle.ts";
import type { Hold } from "../../engine/reservation/reservation.ts";
import type { BalanceTable } from "./balance-table.ts";
import { isLive, type Reservation } from "./reservation-table.ts";
import type { TenantState } from "./tenant-state.ts";

interface Settling {
  readonly balances: BalanceTable;
  tenant(name: string): TenantState;
  nextSequence(): number;
}

/**
 * Posts a cumulative report: the difference to what was posted before. A report turns held money
 * into settled money as it goes; the final one gives the rest back. After the end it is a correction.
 */
export function settleReservation(
  reservation: Reservation | undefined,
  request: SettleRequest,
  store: Settling,
): SettleReply {
  if (reservation === undefined) return reply("unknown", null, [], [], 0);
  const repeated = repeatStatus(reservation, request);
  if (repeated !== null) return reply(repeated, reservation, [], [], 0);
  const live = isLive(reservation);
  const flags = flagsOf(reservation, request, live);
  const postings = post(reservation, request, live, store.balances);
  correctVelocity(reservation, request, store.tenant(reservation.tenant));
  reservation.sequence = request.sequence;
  reservation.digest = request.digest;
  reservation.basis = request.basis;
  reservation.costPicoUsd = request.costPicoUsd;
  reservation.chargedNanoUsd = request.chargedNanoUsd;
  if (live && request.final) {
    const tenant = store.tenant(reservation.tenant);
    reservation.state = "settled";
    tenant.scopes.land(reservation.marks);
    tenant.countEnding(reservation.principal, request.nowMs, false);
  }
  const status = !live ? "corrected" : request.final ? "settled" : "posted";
  return reply(status, reservation, postings, flags, store.nextSequence());
}

/** Provider figures replace estimated ones, never the reverse. */
function repeatStatus(reservation: Reservation, request: SettleRequest): SettleStatus | null {
  if (request.sequence < reservation.sequence) return "superseded";
  if (request.sequence === reservation.sequence) {
    return request.digest === reservation.digest ? "duplicate" : "conflict";
  }
  const weaker = reservation.basis === "provider" && request.basis === "estimated";
  return reservation.sequence > 0 && weaker ? "superseded" : null;
}

function flagsOf(
  reservation: Reservation,
  request: SettleRequest,
  live: boolean,
): readonly string[] {
  const flags: string[] = [];
  if (!live) flags.push("late");
  const overrun = reservation.holds.some((hold) => {
    const { mode, unit } = hold;
    return mode === "hard" && unit !== "calls" && chargeIn(unit, request) > hold.amount;
  });
  if (overrun) flags.push("overrun");
  return flags;
}

function post(
  reservation: Reservation,
  request: SettleRequest,
  live: boolean,
  balances: BalanceTable,
): readonly Posting[] {
  return reservation.holds.flatMap((hold, index) => {
    const held = reservation.held[index] ?? 0n;
    const settledDelta = chargeIn(hold.unit, request) - (reservation.settled[index] ?? 0n);
    const heldDelta = !live ? 0n : request.final ? -held : -smaller(held, larger(0n, settledDelta));
    if (heldDelta === 0n && settledDelta === 0n) return [];
    reservation.held[index] = held + heldDelta;
    reservation.settled[index] = (reservation.settled[index] ?? 0n) + settledDelta;
    return [balances.post(hold, heldDelta, settledDelta, request.nowMs)];
  });
}

function chargeIn(unit: Hold["unit"], request: SettleRequest): bigint {
  switch (unit) {
    case "nano_usd":
      return request.chargedNanoUsd;
    case "tokens":
      return request.tokens;
    case "calls":
      return 1n;
  }
}

/**
 * The windows of admission learn what the call really cost; what exceeds the hold shows up only now
 * and counts now.
 */
function correctVelocity(
  reservation: Reservation,
  request: SettleRequest,
  tenant: TenantState,
): void {
  const actual = safeNumber(request.chargedNanoUsd);
  const ceiling = Math.max(reservation.counted, ceilingOf(reservation));
  const atAdmission = Math.min(actual, ceiling);
  const correction = atAdmission - Math.min(reservation.counted, ceiling);
  tenant.scopes.correct(reservation.marks, correction, 0, request.nowMs);
  if (actual > ceiling) tenant.scopes.addNow(reservation.marks, actual - ceiling, request.nowMs);
  tenant.runs.correct(reservation.run, actual - reservation.counted, request.nowMs);
  reservation.counted = actual;
}

function ceilingOf(reservation: Reservation): number {
  let ceiling = 0n;
  for (const hold of reservation.holds) {
    if (hold.unit === "nano_usd") ceiling = larger(ceiling, hold.amount);
  }
  return safeNumber(ceiling);
}

function reply(
  status: SettleStatus,
  reservation: Reservation | null,
  postings: readonly Posting[],
  flags: readonly string[],
  stateSequence: number,
): SettleReply {
  return {
    chargedNanoUsd: reservation?.chargedNanoUsd ?? 0n,
    costPicoUsd: reservation?.costPicoUsd ?? 0n,
    flags,
    postings,
    stateSequence,
    status,
  };
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
