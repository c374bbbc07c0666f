import { expect } from "vitest";

import { START_MS } from "../support/engine.ts";
import { admitted, balanceOf, type Case, reserved } from "./checks.ts";
import { decisionOf, holdOf, idOf, reportOf, scopeOf } from "./requests.ts";

export const reservingCases: readonly Case[] = [
  [
    "the snapshot is the world before the intent",
    async (store) => {
      const holds = [holdOf("acme|day", 40n)];
      const run = { fingerprint: "f", id: "r" };
      const scopes = [scopeOf("team:search")];
      const first = await admitted(store, 1, { holds, run, scopes });
      expect(first).toMatchObject({ forced: false, held: true, nowMs: START_MS });
      expect(first.snapshot).toMatchObject({
        budgets: [{ fits: true, used: 0n }],
        freezes: [],
        run: { repeats: 0, spentNanoUsd: 0, steps: 0 },
        unreported: { ended: 0, expired: 0 },
      });
      expect(first.snapshot.scopes[0]).toMatchObject({ hot: false, inFlight: 0 });
      const second = await admitted(store, 2, { holds, run, scopes });
      expect(second.snapshot).toMatchObject({
        budgets: [{ fits: true, used: 40n }],
        run: { repeats: 1, spentNanoUsd: 10, steps: 1 },
      });
      expect(second.snapshot.scopes[0]?.inFlight).toBe(1);
      expect(second.snapshot.scopes[0]?.windows[2]).toMatchObject({ calls: 1, rate: 10 });
      expect(second.stateSequence).toBeGreaterThan(first.stateSequence);
    },
  ],
  [
    "all or none: one hard budget that does not fit and nothing is held",
    async (store) => {
      const holds = [holdOf("acme|day", 40n), holdOf("acme|team", 40n, { limit: 39n })];
      await admitted(store, 9, { scopes: [scopeOf("team:search")] });
      await store.settle(reportOf(9, { chargedNanoUsd: 0n }));
      const reply = await reserved(store, 1, { holds, scopes: [scopeOf("team:search")] });
      expect(reply).toMatchObject({ forced: false, held: false });
      expect(reply.snapshot.budgets.map(({ fits }) => fits)).toEqual([true, false]);
      expect((await balanceOf(store, "acme|day"))?.held ?? 0n).toBe(0n);
      const next = await reserved(store, 2, { holds, scopes: [scopeOf("team:search")] });
      // The attempt counts, the call and its cost do not.
      expect(next.snapshot.scopes[0]).toMatchObject({ inFlight: 0 });
      expect(next.snapshot.scopes[0]?.windows[2]).toMatchObject({ attempts: 2, calls: 1, rate: 0 });
      expect(await store.release(idOf(1), START_MS)).toMatchObject({ ended: true, held: false });
    },
  ],
  [
    "a soft budget is held whether or not it fits",
    async (store) => {
      const holds = [holdOf("acme|soft", 40n, { limit: 1n, mode: "soft" })];
      expect(await reserved(store, 1, { holds })).toMatchObject({ forced: false, held: true });
      expect(await balanceOf(store, "acme|soft")).toEqual({ held: 40n, settled: 0n });
    },
  ],
  [
    "a limit is reached exactly; an amount of nothing fits an exhausted one, a limit of nothing too",
    async (store) => {
      await admitted(store, 1, { holds: [holdOf("acme|day", 1_000n)] });
      const over = await reserved(store, 2, { holds: [holdOf("acme|day", 1n)] });
      expect(over).toMatchObject({ held: false, snapshot: { budgets: [{ fits: false }] } });
      const free = await reserved(store, 3, {
        holds: [holdOf("acme|day", 0n), holdOf("acme|none", 0n, { limit: 0n })],
      });
      expect(free).toMatchObject({ held: true });
    },
  ],
  [
    "forced: held where it does not fit, and said so",
    async (store) => {
      const holds = [holdOf("acme|day", 40n, { limit: 1n })];
      expect(await reserved(store, 1, { force: true, holds })).toMatchObject({
        forced: true,
        held: true,
      });
      const holdsThatFit = [holdOf("acme|other", 1n)];
      expect(await reserved(store, 2, { force: true, holds: holdsThatFit })).toMatchObject({
        forced: false,
        held: true,
      });
    },
  ],
  [
    "a freeze stops what falls under it, forced or not, in its tenant or everywhere",
    async (store) => {
      const freeze = { reason: "incident", scope: "team:search" };
      await store.freeze("acme", freeze);
      const frozen = await reserved(store, 1, { force: true, holds: [holdOf("acme|day", 1n)] });
      expect(frozen).toMatchObject({ forced: false, held: false });
      expect(frozen.snapshot.freezes).toEqual([freeze]);
      expect((await reserved(store, 2, { tenant: "globex" })).held).toBe(true);
      expect((await reserved(store, 3, { freezeScopes: ["team:other"] })).held).toBe(true);
      await store.unfreeze("acme", "team:search");
      expect((await reserved(store, 4)).held).toBe(true);
      const everywhere = { reason: "all stop", scope: "*" };
      await store.freeze("*", everywhere);
      const stopped = await reserved(store, 5, { tenant: "globex" });
      expect(stopped).toMatchObject({ held: false, snapshot: { freezes: [everywhere] } });
      await store.unfreeze("*", "*");
      expect((await reserved(store, 6)).held).toBe(true);
    },
  ],
  [
    "time of a tenant never goes back, and is its own",
    async (store) => {
      expect((await reserved(store, 1, { nowMs: START_MS + 500 })).nowMs).toBe(START_MS + 500);
      expect((await reserved(store, 2, { nowMs: START_MS })).nowMs).toBe(START_MS + 500);
      expect((await reserved(store, 3, { tenant: "globex" })).nowMs).toBe(START_MS);
    },
  ],
];

export const adjustingCases: readonly Case[] = [
  [
    "swaps holds, run and velocity, as if the intent were new, and stays one attempt",
    async (store) => {
      const run = { fingerprint: "f", id: "r" };
      const scopes = [scopeOf("team:search"), scopeOf("model:x")];
      await reserved(store, 1, { holds: [holdOf("acme|x", 900n)], run, scopes });
      const reply = await store.adjust({
        costNanoUsd: 7,
        decisionId: idOf(1),
        freezeScopes: [],
        holds: [holdOf("acme|y", 30n)],
        nowMs: START_MS,
        scopes: [scopeOf("team:search"), scopeOf("model:y")],
        tenant: "acme",
      });
      expect(reply).toMatchObject({
        held: true,
        snapshot: {
          budgets: [{ fits: true, used: 0n }],
          run: { repeats: 0, spentNanoUsd: 0, steps: 0 },
        },
      });
      expect(reply.snapshot.scopes.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
      expect(reply.snapshot.scopes[0]?.windows[2]).toMatchObject({
        attempts: 0,
        calls: 0,
        rate: 0,
      });
      expect(await balanceOf(store, "acme|x")).toEqual({ held: 0n, settled: 0n });
      expect(await balanceOf(store, "acme|y")).toEqual({ held: 30n, settled: 0n });
      const next = await reserved(store, 2, { run, scopes });
      expect(next.snapshot.run).toMatchObject({ repeats: 1, spentNanoUsd: 7, steps: 1 });
      expect(next.snapshot.scopes[0]?.windows[2]).toMatchObject({ attempts: 1, calls: 1, rate: 7 });
      expect(next.snapshot.scopes[1]).toMatchObject({ inFlight: 0 });
    },
  ],
  [
    "holds nothing where the other model does not fit, then falls back to the first",
    async (store) => {
      const asked = [holdOf("acme|x", 900n)];
      await reserved(store, 1, { holds: asked });
      const adjust = (holds: typeof asked) =>
        store.adjust({
          costNanoUsd: 10,
          decisionId: idOf(1),
          freezeScopes: [],
          holds,
          nowMs: START_MS,
          scopes: [],
          tenant: "acme",
        });
      const dear = await adjust([holdOf("acme|x", 10n), holdOf("acme|y", 30n, { limit: 1n })]);
      expect(dear).toMatchObject({
        held: false,
        snapshot: { budgets: [{ fits: true }, { fits: false }] },
      });
      expect(await balanceOf(store, "acme|x")).toEqual({ held: 0n, settled: 0n });
      expect(await adjust(asked)).toMatchObject({ held: true });
      await store.conclude(idOf(1), decisionOf(1));
      await store.settle(reportOf(1, { chargedNanoUsd: 5n }));
      expect(await balanceOf(store, "acme|x")).toEqual({ held: 0n, settled: 5n });
    },
  ],
  [
    "an intent that was not held is charged to the budgets of the model asked for",
    async (store) => {
      await reserved(store, 1, { holds: [holdOf("acme|x", 9n, { limit: 1n })] });
      await store.adjust({
        costNanoUsd: 1,
        decisionId: idOf(1),
        freezeScopes: [],
        holds: [holdOf("acme|y", 9n, { limit: 1n })],
        nowMs: START_MS,
        scopes: [],
        tenant: "acme",
      });
      await store.settle(reportOf(1, { chargedNanoUsd: 4n }));
      expect((await balanceOf(store, "acme|x"))?.settled).toBe(4n);
      expect((await balanceOf(store, "acme|y"))?.settled ?? 0n).toBe(0n);
    },
  ],
  [
    "an unknown reservation is refused",
    async (store) => {
      const conclude = async () => store.conclude(idOf(7), decisionOf(7));
      await expect(conclude()).rejects.toThrow(idOf(7));
    },
  ],
];
