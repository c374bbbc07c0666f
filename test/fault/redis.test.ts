import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { Engine, Service } from "../../adapters/serve.ts";
import type { Decision } from "../../engine/decision/decision.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { budgetOf } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";

const DATA = {
  budgets: [budgetOf("day", { limit: 50_000_000 })],
  velocity: { report_percent: 0, scopes: {} },
};

let fleet: Fleet;
let node: Service;
beforeEach(async () => {
  fleet = await openFleet(DATA);
  node = await fleet.start("a", { "state-timeout": "1s", "sweep-interval": "10m" });
});
afterEach(() => fleet.close());

let count = 0;
const decide = (): Promise<Decision> => node.weir.decide(intentOf(`fault-${(count += 1)}`), LOCAL);
const codesOf = ({ reasons }: Decision): readonly string[] => reasons.map(({ code }) => code);
const report = (decisionId: string) =>
  node.weir.report(
    { decisionId, final: true, outcome: "ok", usage: { input: 1_000, output: 20 } },
    LOCAL,
  );

/** What the node has written is what the store holds. */
async function expectBalanced(): Promise<void> {
  await node.stop();
  const balances = await fleet.store.balances();
  expect(verifyLedger(fleet.lines("a"), balances).problems).toEqual([]);
}

/** Both know of what was set before: they are told of it with a grant that is made now. */
async function untilHeard(one: Engine, other: Engine): Promise<void> {
  const grant = { amount: 1_000_000, budget: "day", reason: "launch", tenant: "acme", unit: "usd" };
  await one.operator.grant({ ...grant, untilMs: Date.now() + 3_600_000 }, LOCAL);
  for (let left = 400; ; left -= 1) {
    const { grants } = await other.operator.budgets({ budget: "day", tenant: "acme" }, LOCAL);
    if (grants.length === 1) return;
    expect(left).toBeGreaterThan(0);
    await sleep(25);
  }
}

async function untilAdmits(): Promise<Decision> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const decision = await decide();
    if (decision.effect === "allow") return decision;
    await sleep(50);
  }
  return expect.unreachable("it never admits again");
}

describe("Redis", () => {
  test("stopped: hard budgets block; started again, even empty: admits, and reports of before settle", async () => {
    const before = await decide();
    expect(before.effect).toBe("allow");
    await fleet.redis.stop();
    const blocked = await decide();
    expect(blocked.effect).toBe("block");
    expect(codesOf(blocked)).toContain("budget.unavailable");
    await expect(report(before.id)).rejects.toMatchObject({ code: "state.unavailable" });
    await fleet.redis.start();
    await untilAdmits();
    // The store has lost the reservation; it comes back from the log.
    expect((await report(before.id)).status).toBe("settled");
  });

  test("stopped: what was frozen stays frozen on every node", async () => {
    const [one, other] = [
      await fleet.open("b", { "state-timeout": "1s" }),
      await fleet.open("c", { "state-timeout": "1s" }),
    ];
    const freeze = { reason: "runaway agent", scope: "team:search", tenant: "acme" };
    await one.operator.freeze(freeze, LOCAL);
    await one.operator.freeze({ reason: "all stop", scope: "*", tenant: "*" }, LOCAL);
    await one.operator.freeze({ ...freeze, scope: "team:billing" }, LOCAL);
    await untilHeard(one, other);
    await fleet.redis.stop();
    for (const engine of [one, other]) {
      const decision = await engine.weir.decide(intentOf(`frozen-${(count += 1)}`), LOCAL);
      expect(codesOf(decision)).toContain("budget.unavailable");
      const frozen = decision.reasons.filter(({ code }) => code === "freeze.active");
      expect(new Set(frozen.map(({ params }) => params["scope"]))).toEqual(
        new Set(["*", "team:search"]),
      );
    }
  });

  test("paused: answers without it, and gives back what it does not know it made", async () => {
    await decide();
    fleet.redis.pause();
    const blocked = await decide();
    expect(blocked.effect).toBe("block");
    expect(codesOf(blocked)).toContain("budget.unavailable");
    // The script runs after the pause; nobody gets its answer.
    await fleet.redis.resume();
    expect(await fleet.store.openReservations()).toBe(2);
    await node.weir.sweep();
    expect(await fleet.store.openReservations()).toBe(1);
    await untilAdmits();
    await expectBalanced();
  });

  test("a report whose answer was lost is settled once, and its repeat writes the entry", async () => {
    const decision = await decide();
    // The server knows the script: it runs once the pause is over.
    await report((await decide()).id);
    fleet.redis.pause();
    await expect(report(decision.id)).rejects.toMatchObject({ code: "state.unavailable" });
    await fleet.redis.resume();
    expect((await report(decision.id)).status).toBe("settled");
    expect((await report(decision.id)).status).toBe("duplicate");
    await expectBalanced();
  });

  test("a report that was lost on the way is settled by its repeat", async () => {
    const decision = await decide();
    await fleet.redis.connect().script("FLUSH");
    // The server does not know the script, and says so to nobody.
    fleet.redis.pause();
    await expect(report(decision.id)).rejects.toMatchObject({ code: "state.unavailable" });
    await fleet.redis.resume();
    expect((await report(decision.id)).status).toBe("settled");
    expect((await report(decision.id)).status).toBe("duplicate");
    await expectBalanced();
  });

  test("a cancel whose answer was lost is made once, and its repeat writes the entry", async () => {
    // The server knows the script: it runs once the pause is over.
    await node.weir.cancel((await decide()).id, LOCAL);
    const decision = await decide();
    fleet.redis.pause();
    await expect(node.weir.cancel(decision.id, LOCAL)).rejects.toMatchObject({
      code: "state.unavailable",
    });
    await fleet.redis.resume();
    expect(await node.weir.cancel(decision.id, LOCAL)).toEqual({ released: true });
    expect(await node.weir.cancel(decision.id, LOCAL)).toEqual({ released: false });
    await expectBalanced();
  });

  test("its scripts flushed in the middle: nobody notices", async () => {
    const client = fleet.redis.connect();
    for (let round = 0; round < 10; round += 1) {
      const [decision] = await Promise.all([decide(), client.script("FLUSH")]);
      expect(decision.effect).toBe("allow");
      await client.script("FLUSH");
      expect((await report(decision.id)).status).toBe("settled");
    }
    expect(fleet.faults).toEqual([]);
  });

  test("not there at the start: one clear error", async () => {
    await fleet.redis.stop();
    await expect(fleet.start("b")).rejects.toMatchObject({
      code: "state.unavailable",
      message: expect.stringContaining("does not answer") as string,
    });
  });
});
