import { expect } from "vitest";

import { START_MS } from "../support/engine.ts";
import { admitted, balanceOf, type Case, reserved } from "./checks.ts";
import { holdOf, idOf, reportOf, requestOf, TTL_MS } from "./requests.ts";

const LARGEST = 9_000_000_000_000_000_000n;
const BIG = [
  100_000_000_000_000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  100_000_000_000_000_000n,
  999_999_999_999_999_999n,
];

export const budgetCases: readonly Case[] = [
  [
    "money is exact at 1e14, around 2^53, at 1e17 and above",
    async (store) => {
      let number = 0;
      for (const limit of BIG) {
        const instance = `acme|big-${limit}`;
        const all = await admitted(store, (number += 1), {
          holds: [holdOf(instance, limit, { limit })],
        });
        expect(all.held, String(limit)).toBe(true);
        const one = await reserved(store, (number += 1), {
          holds: [holdOf(instance, 1n, { limit })],
        });
        expect(one.snapshot.budgets).toEqual([{ fits: false, used: limit }]);
        await store.settle(reportOf(number - 1, { chargedNanoUsd: limit - 1n }));
        expect(await balanceOf(store, instance)).toEqual({ held: 0n, settled: limit - 1n });
        const rest = await admitted(store, (number += 1), {
          holds: [holdOf(instance, 1n, { limit })],
        });
        expect(rest).toMatchObject({ held: true, snapshot: { budgets: [{ used: limit - 1n }] } });
        const end = await store.release(idOf(number), START_MS);
        expect(end.postings).toMatchObject([{ heldDelta: -1n }]);
      }
    },
  ],
  [
    "the largest limit is used to its last unit, and expiry charges it exactly",
    async (store) => {
      const holds = [
        holdOf("acme|all", LARGEST - 3n, { limit: LARGEST, onExpiryAmount: LARGEST - 4n }),
      ];
      await admitted(store, 1, { holds });
      const three = await admitted(store, 2, {
        holds: [holdOf("acme|all", 3n, { limit: LARGEST })],
      });
      expect(three).toMatchObject({ held: true, snapshot: { budgets: [{ used: LARGEST - 3n }] } });
      const over = await reserved(store, 3, {
        holds: [holdOf("acme|all", 1n, { limit: LARGEST })],
      });
      expect(over).toMatchObject({ held: false, snapshot: { budgets: [{ used: LARGEST }] } });
      await store.release(idOf(2), START_MS);
      await store.release(idOf(3), START_MS);
      const [end] = await store.expire(START_MS + TTL_MS + 2_000, 10);
      expect(end?.costPicoUsd).toBe((LARGEST - 4n) * 1_000n);
      expect(await balanceOf(store, "acme|all")).toEqual({ held: 0n, settled: LARGEST - 4n });
    },
  ],
  [
    "many small sums on a big one stay exact",
    async (store) => {
      const base = 2n ** 53n;
      const hold = (amount: bigint) => [holdOf("acme|sum", amount, { limit: LARGEST })];
      await admitted(store, 1, { holds: hold(base) });
      for (let number = 2; number <= 40; number += 1) {
        const { snapshot } = await admitted(store, number, { holds: hold(1n) });
        expect(snapshot.budgets[0]?.used).toBe(base + BigInt(number - 2));
      }
      expect(await balanceOf(store, "acme|sum")).toEqual({ held: base + 39n, settled: 0n });
    },
  ],
  [
    "a lowered limit acts at once and claws nothing back",
    async (store) => {
      await admitted(store, 1, { holds: [holdOf("acme|day", 900n)] });
      const lower = await reserved(store, 2, { holds: [holdOf("acme|day", 1n, { limit: 100n })] });
      expect(lower).toMatchObject({ held: false, snapshot: { budgets: [{ used: 900n }] } });
      expect(await balanceOf(store, "acme|day")).toEqual({ held: 900n, settled: 0n });
    },
  ],
  [
    "a rolling budget judges the sum of its parts and holds on the last",
    async (store) => {
      const at = (last: number, amount: bigint) => [
        holdOf(`acme|roll|${last}`, amount, {
          limit: 100n,
          rolling: { base: "acme|roll|", first: last - 3, last },
        }),
      ];
      expect(await admitted(store, 1, { holds: at(10, 60n) })).toMatchObject({ held: true });
      const second = await admitted(store, 2, { holds: at(12, 40n) });
      expect(second).toMatchObject({
        held: true,
        snapshot: { budgets: [{ fits: true, used: 60n }] },
      });
      const third = await reserved(store, 3, { holds: at(13, 1n) });
      expect(third).toMatchObject({ held: false, snapshot: { budgets: [{ used: 100n }] } });
      // The first part has left the window.
      expect(await admitted(store, 4, { holds: at(14, 60n) })).toMatchObject({ held: true });
      expect(await balanceOf(store, "acme|roll|10")).toEqual({ held: 60n, settled: 0n });
      expect(await balanceOf(store, "acme|roll|14")).toEqual({ held: 60n, settled: 0n });
    },
  ],
  [
    "no hard budget is exceeded by intents that come at the same time",
    async (store) => {
      const requests = Array.from({ length: 60 }, (_, at) =>
        requestOf(at + 1, { holds: [holdOf("acme|day", 30n, { limit: 1_000n })] }),
      );
      const replies = await Promise.all(requests.map((request) => store.reserve(request)));
      expect(replies.filter((reply) => reply.kind === "reserved" && reply.held)).toHaveLength(33);
      expect(await balanceOf(store, "acme|day")).toEqual({ held: 990n, settled: 0n });
    },
  ],
  [
    "balances name their budget and unit",
    async (store) => {
      await admitted(store, 1, {
        holds: [holdOf("acme|calls", 1n, { budget: "c", unit: "calls" })],
      });
      expect(await store.balances()).toEqual([
        { budget: "c", held: 1n, instance: "acme|calls", settled: 0n, unit: "calls" },
      ]);
    },
  ],
];
