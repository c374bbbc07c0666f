import { expect } from "vitest";

import { LIMITS } from "../../engine/limits.ts";
import type { WindowParameters } from "../../engine/reservation/reservation.ts";
import {
  chargeCallCost,
  correctCallCost,
  freshCallCost,
  judgeCallCost,
  rollCallCost,
} from "../../engine/velocity/call-cost.ts";
import {
  chargeWindow,
  correctWindow,
  countAttempt,
  freshWindow,
  judgeWindow,
  rollWindow,
} from "../../engine/velocity/window.ts";
import { START_MS } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { admitted, type Case, reserved } from "./checks.ts";
import { CALL_COST, decisionOf, holdOf, idOf, reportOf, scopeOf, WINDOWS } from "./requests.ts";

export const velocityCases: readonly Case[] = [
  [
    "every figure is that of the window arithmetic, over a long random history",
    async (store) => {
      const random = new Random(testSeed("velocity conformance"));
      const states = WINDOWS.map(() => freshWindow());
      const each = (change: (state: (typeof states)[number], p: WindowParameters) => void) =>
        states.forEach((state, at) => change(state, WINDOWS[at] as WindowParameters));
      let nowMs = START_MS;
      let bornMs = 0;
      for (let number = 1; number <= 700; number += 1) {
        nowMs += random.int(0, random.pick([3, 40, 900, 20_000, 2_000_000]));
        const cost = random.chance(0.02) ? Number.MAX_SAFE_INTEGER : random.int(0, 3_000);
        const isRetry = random.chance(0.3);
        const held = random.chance(0.8);
        if (number === 1) bornMs = nowMs;
        each((state, p) => rollWindow(state, p, nowMs));
        const wanted = states.map((state, at) =>
          judgeWindow(state, WINDOWS[at] as WindowParameters, nowMs, nowMs - bornMs),
        );
        const { snapshot } = await reserved(store, number, {
          costNanoUsd: cost,
          holds: [holdOf("acme|gate", held ? 0n : 1n, { limit: 0n })],
          isRetry,
          nowMs,
          scopes: [scopeOf("team:search")],
        });
        expect(snapshot.scopes[0]?.windows, `call ${number}`).toEqual(wanted);
        each((state) => countAttempt(state, isRetry));
        if (!held) continue;
        each((state) => chargeWindow(state, cost));
        await store.conclude(idOf(number), decisionOf(number));
        if (!random.chance(0.5)) continue;
        // A final report that costs less, or more, than was counted.
        const indexes = states.map(({ index }) => index);
        const charged = random.int(0, 4_000);
        nowMs += random.int(0, 1_500);
        await store.settle(reportOf(number, { chargedNanoUsd: BigInt(charged), nowMs }));
        each((state, p) => rollWindow(state, p, nowMs));
        states.forEach((state, at) => {
          correctWindow(state, indexes[at] as number, Math.min(charged, cost) - cost, 0);
          if (charged > cost) correctWindow(state, state.index, charged - cost, 0);
        });
      }
    },
  ],
  [
    "a run counts steps, what they cost and how often each came, and forgets its oldest fingerprint",
    async (store) => {
      const step = (number: number, fingerprint: string) =>
        admitted(store, number, { run: { fingerprint, id: "r" } });
      for (let number = 1; number <= 3; number += 1) await step(number, "same");
      expect((await step(4, "same")).snapshot.run).toEqual({
        children: 0,
        repeats: 3,
        siblings: 0,
        spentNanoUsd: 30,
        steps: 3,
      });
      await store.release(idOf(4), START_MS);
      expect((await step(5, "same")).snapshot.run).toMatchObject({ repeats: 3, steps: 3 });
      expect((await step(6, "")).snapshot.run).toMatchObject({ repeats: 0, steps: 4 });
      await store.settle(reportOf(6, { chargedNanoUsd: 25n }));
      expect((await step(7, "other")).snapshot.run).toMatchObject({ repeats: 0, spentNanoUsd: 65 });
      for (let at = 0; at < LIMITS.fingerprintsPerRun; at += 1) await step(100 + at, `f${at}`);
      expect((await step(900, "same")).snapshot.run).toMatchObject({ repeats: 0 });
      expect((await step(901, `f${LIMITS.fingerprintsPerRun - 1}`)).snapshot.run?.repeats).toBe(1);
    },
  ],
  [
    "the cost per call is that of its arithmetic, through a price that rises and falls",
    async (store) => {
      const random = new Random(testSeed("cost per call conformance"));
      const state = freshCallCost();
      let nowMs = START_MS;
      let hot = 0;
      for (let number = 1; number <= 900; number += 1) {
        nowMs += random.int(0, random.pick([900, 9_000, 300_000]));
        const price = number > 700 && number < 850 ? 60_000 : 600;
        const cost = random.chance(0.01) ? Number.MAX_SAFE_INTEGER : random.int(0, price);
        rollCallCost(state, CALL_COST, nowMs);
        const wanted = judgeCallCost(state, CALL_COST);
        if (wanted.hot) hot += 1;
        const held = !random.chance(0.1);
        const { snapshot } = await reserved(store, number, {
          costNanoUsd: cost,
          holds: [holdOf("acme|gate", held ? 0n : 1n, { limit: 0n })],
          nowMs,
          scopes: [scopeOf("team:search")],
        });
        expect(snapshot.scopes[0]?.callCost, `call ${number}`).toEqual(wanted);
        if (!held) continue;
        chargeCallCost(state, CALL_COST, cost);
        const { hour } = state;
        await store.conclude(idOf(number), decisionOf(number));
        nowMs += random.int(0, random.chance(0.02) ? 8_000_000 : 90_000);
        rollCallCost(state, CALL_COST, nowMs);
        if (random.chance(0.2)) {
          await store.release(idOf(number), nowMs);
          correctCallCost(state, CALL_COST, hour, -cost, -1);
        } else {
          const charged = random.int(0, price);
          await store.settle(reportOf(number, { chargedNanoUsd: BigInt(charged), nowMs }));
          correctCallCost(state, CALL_COST, hour, Math.min(charged, cost) - cost, 0);
          if (charged > cost) {
            correctCallCost(state, CALL_COST, state.hour, charged - cost, 0);
          }
        }
      }
      expect(hot).toBeGreaterThan(10);
    },
  ],
  [
    "a scope and a run begin with their first admitted call, and what is taken back leaves nothing",
    async (store) => {
      const change = {
        run: { fingerprint: "f", id: "r" },
        scopes: [scopeOf("user:ada"), scopeOf("user:bo")],
      };
      const refused = [holdOf("acme|none", 1n, { limit: 0n })];
      await reserved(store, 1, { ...change, holds: refused });
      await reserved(store, 2, { ...change, holds: refused });
      const { snapshot } = await reserved(store, 3, { ...change, isRetry: true });
      expect(snapshot).toMatchObject({
        run: { steps: 0 },
        scopes: [{ windows: [{ attempts: 0 }, {}, {}] }, {}],
      });
      await store.release(idOf(3), START_MS);
      const again = await reserved(store, 4, { ...change, holds: refused });
      expect(again.snapshot.scopes[0]?.windows[2]).toMatchObject({ attempts: 0, calls: 0 });
      await admitted(store, 5, change);
      const kept = await reserved(store, 6, { ...change, holds: refused });
      expect(kept.snapshot.scopes[0]?.windows[2]).toMatchObject({ attempts: 1, calls: 1 });
    },
  ],
  [
    "a run counts the runs it started, once each, and no longer those that were taken back",
    async (store) => {
      const child = (number: number, id: string) =>
        admitted(store, number, { run: { fingerprint: "", id, parent: "root" } });
      await admitted(store, 1, { run: { fingerprint: "", id: "root" } });
      expect((await child(2, "a")).snapshot.run).toMatchObject({ siblings: 0, steps: 0 });
      expect((await child(3, "a")).snapshot.run).toMatchObject({ siblings: 1, steps: 1 });
      expect((await child(4, "b")).snapshot.run).toMatchObject({ siblings: 1, steps: 0 });
      const root = async (number: number) =>
        (await reserved(store, number, { run: { fingerprint: "", id: "root" } })).snapshot.run;
      expect(await root(5)).toMatchObject({ children: 2, siblings: 0 });
      await store.release(idOf(4), START_MS);
      expect(await root(6)).toMatchObject({ children: 1 });
      await store.release(idOf(3), START_MS);
      expect(await root(7)).toMatchObject({ children: 1 });
      await store.release(idOf(2), START_MS);
      expect(await root(8)).toMatchObject({ children: 0 });
    },
  ],
  [
    "runs and scopes of two tenants are not one",
    async (store) => {
      const change = { run: { fingerprint: "f", id: "r" }, scopes: [scopeOf("team:search")] };
      await admitted(store, 1, change);
      const { snapshot } = await reserved(store, 2, { ...change, tenant: "globex" });
      expect(snapshot).toMatchObject({ run: { steps: 0 }, scopes: [{ inFlight: 0 }] });
    },
  ],
  [
    "unreported reservations are counted per principal, in this hour and the one before",
    async (store) => {
      for (const number of [1, 2]) await admitted(store, number, { deadlineMs: START_MS + 1_000 });
      await admitted(store, 3, { principal: "q" });
      await store.settle(reportOf(3));
      await store.expire(START_MS + 5_000, 10);
      const at = async (number: number, hours: number, principal = "p") =>
        (await reserved(store, number, { nowMs: START_MS + hours * 3_600_000, principal })).snapshot
          .unreported;
      expect(await at(10, 0)).toEqual({ ended: 2, expired: 2 });
      expect(await at(11, 0, "q")).toEqual({ ended: 1, expired: 0 });
      expect(await at(12, 1)).toEqual({ ended: 2, expired: 2 });
      expect(await at(13, 2)).toEqual({ ended: 0, expired: 0 });
    },
  ],
];
