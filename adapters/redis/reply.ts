import type { Posting, Unit } from "../../engine/ledger/entry.ts";
import type {
  EndReply,
  ReservationState,
  SettleReply,
  SettleStatus,
} from "../../engine/reservation/lifecycle.ts";
import type {
  BudgetSnapshot,
  Freeze,
  Hold,
  ScopeCharge,
  Snapshot,
  TenantFreeze,
} from "../../engine/reservation/reservation.ts";
import { judgeScope } from "./scope-state.ts";
import type { ReplyPart, ScriptReply } from "./scripts.ts";

export function textOf(part: ReplyPart | undefined): string {
  return part === null || part === undefined ? "" : String(part);
}

function textsOf(part: ReplyPart | undefined): readonly string[] {
  return Array.isArray(part) ? part.map(textOf) : [];
}

/** The world before an intent, from the last five parts of a reply; `frozen` are the platform's freezes. */
export function decodeSnapshot(
  [freezes, used, run, endings, scopes]: ScriptReply,
  ask: { readonly holds: readonly Hold[]; readonly scopes: readonly ScopeCharge[] },
  frozen: readonly Freeze[],
  nowMs: number,
): Snapshot {
  const [steps, repeats, spentNanoUsd, children, siblings] = textsOf(run).map(Number);
  const packed = (scopes ?? []) as readonly Buffer[];
  return {
    budgets: textsOf(used).map((text, at) => budgetOf(BigInt(text), ask.holds[at] as Hold)),
    freezes: [...textsOf(freezes).map(decodeFreeze), ...frozen],
    run:
      steps === undefined
        ? null
        : {
            children: children ?? 0,
            repeats: repeats ?? 0,
            siblings: siblings ?? 0,
            spentNanoUsd: spentNanoUsd ?? 0,
            steps,
          },
    scopes: ask.scopes.map((scope, at) => judgeScope(packed[at] ?? null, scope, nowMs)),
    unreported: decodeEndings(endings as Buffer, nowMs),
  };
}

function budgetOf(used: bigint, { amount, limit }: Hold): BudgetSnapshot {
  return { fits: amount === 0n || used + amount <= limit, used };
}

/** A freeze is kept as JSON, with its tenant. */
export function decodeFreeze(text: string): Freeze {
  const { tenant: _, ...freeze } = JSON.parse(text) as TenantFreeze;
  return freeze;
}

const HOUR_MS = 3_600_000;

/** As scripts/include/endings.lua packs them: this hour's and the one's before. */
function decodeEndings(packed: Buffer, nowMs: number): Snapshot["unreported"] {
  if (packed.length === 0) return { ended: 0, expired: 0 };
  const [hour, ended, expired, endedBefore, expiredBefore] = [0, 8, 16, 24, 32].map((at) =>
    packed.readDoubleLE(at),
  ) as [number, number, number, number, number];
  const gap = Math.floor(nowMs / HOUR_MS) - hour;
  if (gap <= 0) return { ended: ended + endedBefore, expired: expired + expiredBefore };
  return gap === 1 ? { ended, expired } : { ended: 0, expired: 0 };
}

/** Postings, by fives: budget, instance, unit and the two changes. */
function decodePostings(part: unknown): readonly Posting[] {
  // An empty list that was kept as JSON is an object.
  const flat = Array.isArray(part) ? part.map(String) : [];
  const postings: Posting[] = [];
  for (let at = 0; at < flat.length; at += 5) {
    const [budget, instance, unit, held, settled] = flat.slice(at, at + 5) as [
      string,
      string,
      Unit,
      string,
      string,
    ];
    const [heldDelta, settledDelta] = [BigInt(held), BigInt(settled)];
    postings.push({ budget, heldDelta, instance, settledDelta, unit });
  }
  return postings;
}

/** {"ended", state, admitted, cost, sequence, postings} or {"ended before", state}. */
export function decodeEnd(decisionId: string, reply: readonly unknown[]): EndReply {
  const [kind, state, admitted, cost, sequence, postings] = reply;
  if (String(kind) !== "ended") return noEnd(decisionId, String(state) as ReservationState);
  return {
    costPicoUsd: BigInt(String(cost)),
    decisionId,
    ended: true,
    held: String(admitted) === "1",
    postings: decodePostings(postings),
    state: String(state) as ReservationState,
    stateSequence: Number(sequence),
  };
}

export function noEnd(decisionId: string, state: EndReply["state"]): EndReply {
  return {
    costPicoUsd: 0n,
    decisionId,
    ended: false,
    held: false,
    postings: [],
    state,
    stateSequence: 0,
  };
}

/** {status, live, overrun, cost, charged, sequence, postings}. */
export function decodeSettlement(reply: readonly unknown[]): SettleReply {
  const [status, live, overrun, cost, charged, sequence, postings] = reply;
  const stateSequence = Number(sequence);
  const flags: string[] = [];
  if (stateSequence > 0 && String(live) === "0") flags.push("late");
  if (String(overrun) === "1") flags.push("overrun");
  return {
    chargedNanoUsd: BigInt(String(charged)),
    costPicoUsd: BigInt(String(cost)),
    flags,
    postings: decodePostings(postings),
    stateSequence,
    status: String(status) as SettleStatus,
  };
}

export const UNKNOWN_SETTLEMENT: SettleReply = Object.freeze({
  chargedNanoUsd: 0n,
  costPicoUsd: 0n,
  flags: [],
  postings: [],
  stateSequence: 0,
  status: "unknown",
});
