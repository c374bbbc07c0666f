import { expect } from "vitest";

import type { DecisionRecord } from "../../engine/record/record.ts";
import type { Hold } from "../../engine/reservation/reservation.ts";
import { START_MS } from "../support/engine.ts";
import { admitted, balanceOf, type Case, reserved } from "./checks.ts";
import { decisionOf, holdOf, idOf, reportOf, requestOf, scopeOf, TTL_MS } from "./requests.ts";

const DAY = "acme|day";
const dayHold = (change = {}) => holdOf(DAY, 40n, change);

export const settlementCases: readonly Case[] = [
  [
    "partial reports turn held money into settled money, the final one gives the rest back",
    async (store) => {
      await admitted(store, 1, { holds: [dayHold()] });
      const partial = reportOf(1, { chargedNanoUsd: 15n, final: false });
      const first = await store.settle(partial);
      expect(first).toMatchObject({
        chargedNanoUsd: 15n,
        costPicoUsd: 15_000n,
        flags: [],
        status: "posted",
      });
      expect(first.postings).toEqual([
        { budget: "day", heldDelta: -15n, instance: DAY, settledDelta: 15n, unit: "nano_usd" },
      ]);
      expect(await balanceOf(store, DAY)).toEqual({ held: 25n, settled: 15n });
      const last = await store.settle(reportOf(1, { chargedNanoUsd: 12n, sequence: 2 }));
      expect(last).toMatchObject({ status: "settled" });
      expect(last.stateSequence).toBeGreaterThan(first.stateSequence);
      expect(last.postings).toMatchObject([{ heldDelta: -25n, settledDelta: -3n }]);
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 12n });
      expect(await store.openReservations()).toBe(0);
    },
  ],
  [
    "the same again posts nothing, other figures under the number are a conflict, a lower number is ignored",
    async (store) => {
      await admitted(store, 1, { holds: [dayHold()] });
      const report = reportOf(1, { chargedNanoUsd: 15n, final: false, sequence: 2 });
      await store.settle(report);
      for (const [change, status] of [
        [{}, "duplicate"],
        [{ digest: "other" }, "conflict"],
        [{ sequence: 1 }, "superseded"],
        [{ basis: "estimated", digest: "e", sequence: 3 }, "superseded"],
      ] as const) {
        const reply = await store.settle({ ...report, ...change });
        expect(reply).toMatchObject({
          chargedNanoUsd: 15n,
          postings: [],
          stateSequence: 0,
          status,
        });
      }
      expect(await balanceOf(store, DAY)).toEqual({ held: 25n, settled: 15n });
    },
  ],
  [
    "estimated after estimated posts, provider after estimated replaces it",
    async (store) => {
      await admitted(store, 1, { holds: [dayHold()] });
      const estimated = { basis: "estimated", final: false } as const;
      await store.settle(reportOf(1, { ...estimated, chargedNanoUsd: 10n }));
      await store.settle(reportOf(1, { ...estimated, chargedNanoUsd: 20n, sequence: 2 }));
      await store.settle(reportOf(1, { chargedNanoUsd: 18n, sequence: 3 }));
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 18n });
    },
  ],
  [
    "above the hold it is charged in full, flagged, and seen by the next call",
    async (store) => {
      const scopes = [scopeOf("team:search")];
      await admitted(store, 1, { holds: [dayHold()], scopes });
      const reply = await store.settle(reportOf(1, { chargedNanoUsd: 990n }));
      expect(reply).toMatchObject({ flags: ["overrun"], status: "settled" });
      const next = await reserved(store, 2, { holds: [dayHold()], scopes });
      expect(next.snapshot.budgets).toEqual([{ fits: false, used: 990n }]);
      expect(next.snapshot.scopes[0]?.windows[2]?.rate).toBe(990);
    },
  ],
  [
    "after an end it is a correction that reopens nothing",
    async (store) => {
      await admitted(store, 1, { holds: [dayHold()] });
      await admitted(store, 2, { holds: [dayHold()] });
      await store.release(idOf(1), START_MS);
      await store.settle(reportOf(2));
      const late = await store.settle(reportOf(1, { chargedNanoUsd: 7n }));
      expect(late).toMatchObject({ flags: ["late"], status: "corrected" });
      expect(late.postings).toMatchObject([{ heldDelta: 0n, settledDelta: 7n }]);
      const again = await store.settle(reportOf(2, { chargedNanoUsd: 31n, sequence: 2 }));
      expect(again).toMatchObject({ flags: ["late"], status: "corrected" });
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 38n });
      expect(await store.openReservations()).toBe(0);
    },
  ],
  [
    "each unit is charged in its own figures",
    async (store) => {
      const holds = [
        dayHold(),
        holdOf("acme|tokens", 500n, { mode: "soft", unit: "tokens" }),
        holdOf("acme|calls", 1n, { unit: "calls" }),
      ];
      await admitted(store, 1, { holds });
      await store.settle(reportOf(1, { chargedNanoUsd: 20n, tokens: 640n }));
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 20n });
      expect(await balanceOf(store, "acme|tokens")).toEqual({ held: 0n, settled: 640n });
      expect(await balanceOf(store, "acme|calls")).toEqual({ held: 0n, settled: 1n });
    },
  ],
  [
    "a report, release or decision of an unknown id changes nothing",
    async (store) => {
      expect(await store.settle(reportOf(5))).toMatchObject({ postings: [], status: "unknown" });
      expect(await store.release(idOf(5), START_MS)).toMatchObject({
        ended: false,
        state: "unknown",
      });
      expect(await store.abandon(idOf(5), START_MS)).toMatchObject({
        ended: false,
        state: "unknown",
      });
      expect(await store.decision(idOf(5))).toBeNull();
      expect(await store.balances()).toEqual([]);
    },
  ],
  [
    "a release gives everything back, once",
    async (store) => {
      const run = { fingerprint: "f", id: "r" };
      const scopes = [scopeOf("team:search")];
      await admitted(store, 1, { holds: [dayHold()], run, scopes });
      const end = await store.release(idOf(1), START_MS);
      expect(end).toMatchObject({ costPicoUsd: 0n, ended: true, held: true, state: "released" });
      expect(end.postings).toMatchObject([{ heldDelta: -40n, settledDelta: 0n }]);
      expect(await store.release(idOf(1), START_MS)).toMatchObject({
        ended: false,
        state: "released",
      });
      expect(await store.expire(START_MS + TTL_MS + 2_000, 10)).toEqual([]);
      const next = await reserved(store, 2, { holds: [dayHold()], run, scopes });
      expect(next.snapshot).toMatchObject({
        budgets: [{ used: 0n }],
        run: { repeats: 0, spentNanoUsd: 0, steps: 0 },
        scopes: [{ inFlight: 0 }],
        unreported: { ended: 0, expired: 0 },
      });
    },
  ],
  [
    "a deadline ends a reservation once, never early, and counts as unreported",
    async (store) => {
      await admitted(store, 1, { holds: [dayHold()] });
      await admitted(store, 2, { holds: [dayHold()] });
      await store.settle(reportOf(2));
      expect(await store.expire(START_MS + TTL_MS - 1, 10)).toEqual([]);
      const ends = await store.expire(START_MS + TTL_MS + 2_000, 10);
      expect(ends).toMatchObject([
        { costPicoUsd: 0n, decisionId: idOf(1), ended: true, held: true, state: "expired" },
      ]);
      expect(await store.expire(START_MS + TTL_MS + 4_000, 10)).toEqual([]);
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 30n });
      const next = await reserved(store, 3, { nowMs: START_MS + TTL_MS + 4_000 });
      expect(next.snapshot.unreported).toEqual({ ended: 2, expired: 1 });
    },
  ],
  [
    "an expiry charges what each budget says for it, a partial report takes its place",
    async (store) => {
      const holds = [
        dayHold({ onExpiryAmount: 40n }),
        holdOf("acme|team", 40n, { onExpiryAmount: 9n }),
      ];
      await admitted(store, 1, { holds });
      await admitted(store, 2, { holds });
      await store.settle(reportOf(2, { chargedNanoUsd: 5n, final: false }));
      const ends = await store.expire(START_MS + TTL_MS + 2_000, 10);
      const costs = ends.map(({ costPicoUsd, decisionId }) => [decisionId, costPicoUsd] as const);
      expect(new Map(costs)).toEqual(
        new Map([
          [idOf(1), 40_000n],
          [idOf(2), 5_000n],
        ]),
      );
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 45n });
      expect(await balanceOf(store, "acme|team")).toEqual({ held: 0n, settled: 14n });
      const late = await store.settle(reportOf(1, { chargedNanoUsd: 11n }));
      expect(late.postings.map(({ settledDelta }) => settledDelta)).toEqual([-29n, 2n]);
    },
  ],
  [
    "what was never held is not charged when it expires",
    async (store) => {
      await reserved(store, 1, { holds: [dayHold({ limit: 1n, onExpiryAmount: 40n })] });
      const ends = await store.expire(START_MS + TTL_MS + 2_000, 10);
      expect(ends).toMatchObject([{ ended: true, held: false, postings: [] }]);
      expect((await balanceOf(store, DAY))?.settled ?? 0n).toBe(0n);
    },
  ],
  [
    "at most as many expire as asked for",
    async (store) => {
      for (let number = 1; number <= 7; number += 1) await admitted(store, number);
      const dueMs = START_MS + TTL_MS + 2_000;
      expect(await store.expire(dueMs, 3)).toHaveLength(3);
      expect(await store.expire(dueMs, 3)).toHaveLength(3);
      expect(await store.expire(dueMs, 3)).toHaveLength(1);
      expect(await store.openReservations()).toBe(0);
    },
  ],
  [
    "intents that end while others are judged end once, under concurrency",
    async (store) => {
      for (let number = 1; number <= 20; number += 1) {
        await admitted(store, number, { holds: [dayHold()] });
      }
      const dueMs = START_MS + TTL_MS + 2_000;
      const all = await Promise.all([
        store.expire(dueMs, 100),
        store.expire(dueMs, 100),
        ...Array.from({ length: 20 }, (_, at) => store.release(idOf(at + 1), dueMs)),
        ...Array.from({ length: 20 }, (_, at) =>
          store.settle(reportOf(at + 1, { chargedNanoUsd: 0n })),
        ),
      ]);
      const ended = all
        .flat()
        .filter((end) => ("ended" in end ? end.ended : end.status === "settled"));
      expect(ended).toHaveLength(20);
      expect(await balanceOf(store, DAY)).toEqual({ held: 0n, settled: 0n });
    },
  ],
  [
    "an ended reservation still answers for its decision",
    async (store) => {
      await admitted(store, 1, { deadlineMs: START_MS + 1_000 });
      await store.expire(START_MS + 3_000, 10);
      expect(await store.decision(idOf(1))).toEqual(decisionOf(1));
    },
  ],
  [
    "what the store has lost comes back as its lines left it, and leaves the balances alone",
    async (store) => {
      const record = recordOf(1, [dayHold({ onExpiryAmount: 40n })]);
      await store.restore({ later: [], record }, START_MS);
      await store.restore({ later: [], record }, START_MS);
      expect(await store.decision(idOf(1))).toMatchObject({ effect: "allow", id: idOf(1) });
      expect(await store.openReservations()).toBe(1);
      expect(await store.balances()).toEqual([]);
      expect(await store.reserve(requestOf(1, { decisionId: idOf(2) }))).toEqual({
        decisionId: idOf(1),
        kind: "replay",
      });
      const reply = await store.settle(reportOf(1, { chargedNanoUsd: 30n }));
      expect(reply).toMatchObject({ flags: [], status: "settled" });
      expect(reply.postings).toMatchObject([{ heldDelta: 0n, settledDelta: 30n }]);
      expect(await store.openReservations()).toBe(0);
      // The reservation that the store knows is not touched by an older tale of it.
      await store.restore({ later: [], record }, START_MS);
      expect(await store.settle(reportOf(1, { chargedNanoUsd: 30n }))).toMatchObject({
        status: "duplicate",
      });
    },
  ],
  [
    "what comes back after its deadline has expired elsewhere: it is charged once, and a report posts the rest",
    async (store) => {
      const record = recordOf(1, [dayHold({ onExpiryAmount: 40n })]);
      const lateMs = record.reservation.deadline_ms + 2 * DAY_MS;
      await store.restore({ later: [], record }, lateMs);
      expect(await store.openReservations()).toBe(0);
      expect(await store.balances()).toEqual([]);
      const reply = await store.settle(reportOf(1, { chargedNanoUsd: 45n, nowMs: lateMs + 1 }));
      expect(reply).toMatchObject({ status: "corrected" });
      expect(reply.flags).toContain("late");
      expect(reply.postings).toMatchObject([{ heldDelta: 0n, settledDelta: 5n }]);
      const unreported = recordOf(2, [dayHold({ onExpiryAmount: 40n })]);
      await store.restore({ later: [], record: unreported }, lateMs + 2);
      expect(await store.expire(lateMs + 3, 10)).toEqual([]);
    },
  ],
  [
    "what is lost soon after its deadline is not charged for having no report",
    async (store) => {
      const record = recordOf(1, [dayHold({ onExpiryAmount: 40n })]);
      const soonMs = record.reservation.deadline_ms + 60_000;
      await store.restore({ later: [], record }, soonMs);
      expect(await store.expire(soonMs + 1, 10)).toEqual([]);
      const reply = await store.settle(reportOf(1, { chargedNanoUsd: 55n, nowMs: soonMs + 2 }));
      expect(reply.postings).toMatchObject([{ heldDelta: 0n, settledDelta: 55n }]);
    },
  ],
];

const DAY_MS = 86_400_000;

/** A decision's line, as far as a store reads it. */
function recordOf(number: number, holds: readonly Hold[]): DecisionRecord {
  const { contentDigest, deadlineMs, idempotencyKey, principal } = requestOf(number);
  const intent = { attempt: { number: 1 }, principal, run: { fingerprint: "", id: "" } };
  return {
    at_ms: START_MS,
    bundle: { digest: "d", revision: "r" },
    decision: { effect: "allow", estimate: {}, retry_after_ms: 0 },
    evaluations: [{ input: { intent }, model: "m", verdict: null }],
    id: idOf(number),
    intent: { retry_of: "" },
    reservation: {
      content_digest: contentDigest,
      deadline_ms: deadlineMs,
      held: true,
      holds: holds.map((hold) => ({
        amount: String(hold.amount),
        budget: hold.budget,
        ends_at_ms: hold.endsAtMs,
        instance: hold.instance,
        limit: String(hold.limit),
        mode: hold.mode,
        on_expiry: String(hold.onExpiryAmount),
        unit: hold.unit,
      })),
      idempotency_key: idempotencyKey,
    },
    tenant: "acme",
  } as unknown as DecisionRecord;
}
