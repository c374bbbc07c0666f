import { expect } from "vitest";

import type { Grant, VelocityRequest } from "../../engine/reservation/reservation.ts";
import { START_MS } from "../support/engine.ts";
import { admitted, balanceOf, type Case, reserved } from "./checks.ts";
import { CALL_COST, holdOf, idOf, scopeOf, WINDOWS } from "./requests.ts";

const GRANT: Grant = {
  actor: "ada",
  amount: 2n ** 53n + 1n,
  atMs: START_MS,
  budget: "day",
  id: "g1",
  reason: "launch",
  tenant: "acme",
  unit: "nano_usd",
  untilMs: START_MS + 60_000,
};

const look = (change: Partial<VelocityRequest> = {}): VelocityRequest => ({
  kinds: [
    { callCost: CALL_COST, kind: "team", windows: WINDOWS },
    { callCost: CALL_COST, kind: "user", windows: WINDOWS },
  ],
  nowMs: START_MS,
  tenant: "acme",
  top: 10,
  ...change,
});

export const controlCases: readonly Case[] = [
  [
    "every freeze is listed with its tenant, who set it and when; lifted ones are not",
    async (store) => {
      const team = { actor: "ada", atMs: START_MS, reason: "incident", scope: "team:search" };
      await store.freeze("acme", { reason: "first", scope: "team:search" });
      await store.freeze("acme", team);
      await store.freeze("globex", { reason: "r", scope: "*" });
      await store.freeze("*", { reason: "all", scope: "model:x" });
      await store.freeze("acme", { reason: "gone", scope: "user:a" });
      await store.unfreeze("acme", "user:a");
      await store.unfreeze("acme", "user:never");
      const found = await store.freezes();
      expect(found.toSorted((one, other) => (one.tenant < other.tenant ? -1 : 1))).toEqual([
        { reason: "all", scope: "model:x", tenant: "*" },
        { ...team, tenant: "acme" },
        { reason: "r", scope: "*", tenant: "globex" },
      ]);
    },
  ],
  [
    "a frozen model is not reached by a reroute: nothing is held, and the freeze is told",
    async (store) => {
      const freeze = { actor: "ada", atMs: START_MS, reason: "incident", scope: "model:y" };
      await store.freeze("acme", freeze);
      await store.freeze("*", { reason: "everywhere", scope: "model:z" });
      const asked = [holdOf("acme|x", 900n)];
      await reserved(store, 1, { holds: asked });
      const adjust = (model: string) =>
        store.adjust({
          costNanoUsd: 7,
          decisionId: idOf(1),
          freezeScopes: ["*", `model:${model}`],
          holds: [holdOf(`acme|${model}`, 30n)],
          nowMs: START_MS,
          scopes: [scopeOf(`model:${model}`)],
          tenant: "acme",
        });
      expect(await adjust("y")).toMatchObject({ held: false, snapshot: { freezes: [freeze] } });
      expect(await adjust("z")).toMatchObject({
        held: false,
        snapshot: { freezes: [{ reason: "everywhere" }] },
      });
      expect((await balanceOf(store, "acme|x"))?.held).toBe(0n);
      expect(await adjust("w")).toMatchObject({ held: true, snapshot: { freezes: [] } });
      expect(await balanceOf(store, "acme|w")).toEqual({ held: 30n, settled: 0n });
    },
  ],
  [
    "grants are kept exactly, one per tenant, budget and id",
    async (store) => {
      await store.grant({ ...GRANT, amount: 1n });
      await store.grant(GRANT);
      await store.grant({ ...GRANT, id: "g2" });
      await store.grant({ ...GRANT, budget: "hour" });
      await store.grant({ ...GRANT, tenant: "globex" });
      const found = await store.grants();
      expect(found).toHaveLength(4);
      expect(found).toContainEqual(GRANT);
      expect(found).toContainEqual({ ...GRANT, tenant: "globex" });
    },
  ],
  [
    "the busiest scopes of a tenant come first; scopes at rest and of others do not come",
    async (store) => {
      const scopes = [scopeOf("team:search"), scopeOf("user:ada")];
      await admitted(store, 1, { costNanoUsd: 400, scopes });
      await admitted(store, 2, { costNanoUsd: 900, scopes: [scopeOf("user:bo")] });
      await admitted(store, 3, { scopes: [scopeOf("user:ghost")], tenant: "globex" });
      await reserved(store, 4, {
        holds: [holdOf("acme|none", 1n, { limit: 0n })],
        scopes: [scopeOf("user:denied")],
      });
      const found = await store.velocity(look());
      expect(found.map(({ scope }) => scope)).toEqual(["user:bo", "team:search", "user:ada"]);
      expect(found[0]).toMatchObject({ inFlight: 1, kind: "user" });
      expect(found[0]?.windows[2]).toMatchObject({ calls: 1, rate: 900 });
      expect(await store.velocity(look({ top: 1 }))).toEqual(found.slice(0, 1));
      expect(await store.velocity(look({ tenant: "nobody" }))).toEqual([]);
    },
  ],
  [
    "looking at velocity rolls and teaches nothing",
    async (store) => {
      const scopes = [scopeOf("team:search")];
      await admitted(store, 1, { costNanoUsd: 400, scopes });
      await store.velocity(look({ nowMs: START_MS + 7_300_000 }));
      const [now] = await store.velocity(look());
      expect(now?.windows[2]).toMatchObject({ calls: 1, rate: 400 });
      const { snapshot } = await reserved(store, 2, { scopes });
      expect(snapshot.scopes[0]?.windows).toEqual(now?.windows);
    },
  ],
];
