import { expect } from "vitest";

import { START_MS } from "../support/engine.ts";
import { admitted, balanceOf, type Case, reserved } from "./checks.ts";
import { decisionOf, holdOf, idOf, reportOf, requestOf, TTL_MS } from "./requests.ts";

export const idempotencyCases: readonly Case[] = [
  [
    "the same intent again while it is judged is in flight",
    async (store) => {
      await reserved(store, 1);
      expect(await store.reserve(requestOf(1, { decisionId: idOf(2) }))).toEqual({
        kind: "in_flight",
      });
    },
  ],
  [
    "the same key with other content is a conflict, whatever became of it",
    async (store) => {
      const other = requestOf(1, { contentDigest: "other", decisionId: idOf(2) });
      await reserved(store, 1);
      expect(await store.reserve(other)).toEqual({ kind: "conflict" });
      await store.conclude(idOf(1), decisionOf(1));
      expect(await store.reserve(other)).toEqual({ kind: "conflict" });
      await store.release(idOf(1), START_MS);
      expect(await store.reserve(other)).toEqual({ kind: "conflict" });
    },
  ],
  [
    "an open allow is replayed without a second hold, and gives its decision",
    async (store) => {
      await admitted(store, 1, { holds: [holdOf("acme|day", 40n)] });
      const again = requestOf(1, { decisionId: idOf(2), holds: [holdOf("acme|day", 40n)] });
      expect(await store.reserve(again)).toEqual({ decisionId: idOf(1), kind: "replay" });
      expect(await balanceOf(store, "acme|day")).toEqual({ held: 40n, settled: 0n });
      expect(await store.decision(idOf(1))).toEqual(decisionOf(1));
      expect(await store.decision(idOf(2))).toBeNull();
    },
  ],
  [
    "after the final report, a cancel or an expiry it is finished",
    async (store) => {
      for (const number of [1, 2, 3]) await admitted(store, number);
      await store.settle(reportOf(1));
      await store.release(idOf(2), START_MS);
      await store.expire(START_MS + TTL_MS + 2_000, 10);
      for (const number of [1, 2, 3]) {
        expect(await store.reserve(requestOf(number, { decisionId: idOf(9) }))).toEqual({
          kind: "finished",
        });
      }
    },
  ],
  [
    "a block is replayed though it holds nothing",
    async (store) => {
      await reserved(store, 1);
      await store.conclude(idOf(1), decisionOf(1, { effect: "block" }));
      await store.release(idOf(1), START_MS);
      const again = requestOf(1, { decisionId: idOf(2), nowMs: START_MS + 5_000 });
      expect(await store.reserve(again)).toEqual({ decisionId: idOf(1), kind: "replay" });
    },
  ],
  [
    "a throttle is replayed until its retry_after, then decided anew",
    async (store) => {
      await reserved(store, 1);
      await store.conclude(idOf(1), decisionOf(1, { effect: "throttle", retryAfterMs: 2_000 }));
      await store.release(idOf(1), START_MS);
      const at = (nowMs: number, id: number) =>
        store.reserve(requestOf(1, { decisionId: idOf(id), nowMs }));
      expect(await at(START_MS + 1_999, 2)).toEqual({ decisionId: idOf(1), kind: "replay" });
      expect(await at(START_MS + 2_000, 3)).toMatchObject({ kind: "reserved" });
      expect(await at(START_MS + 2_000, 4)).toEqual({ kind: "in_flight" });
    },
  ],
  [
    "an abandoned intent is forgotten, an abandoned older decision of it forgets nothing",
    async (store) => {
      await reserved(store, 1, { holds: [holdOf("acme|day", 40n)] });
      expect(await store.abandon(idOf(1), START_MS)).toMatchObject({ ended: true, held: true });
      expect(await balanceOf(store, "acme|day")).toEqual({ held: 0n, settled: 0n });
      await reserved(store, 1, { decisionId: idOf(2) });
      expect(await store.abandon(idOf(1), START_MS)).toMatchObject({ ended: false });
      expect(await store.reserve(requestOf(1, { decisionId: idOf(3) }))).toEqual({
        kind: "in_flight",
      });
    },
  ],
  [
    "intents of two tenants are not one",
    async (store) => {
      await reserved(store, 1, { idempotencyKey: "acme/1" });
      await reserved(store, 1, { idempotencyKey: "globex/1", tenant: "globex" });
      expect(await store.openReservations()).toBe(2);
    },
  ],
];
