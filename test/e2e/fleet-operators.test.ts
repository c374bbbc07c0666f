import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { Engine } from "../../adapters/serve.ts";
import type { Decision } from "../../engine/decision/decision.ts";
import { budgetOf } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";

// Goal: what an operator does on one node of a fleet acts on every node.

let fleet: Fleet;
let nodes: readonly [Engine, Engine];
beforeEach(async () => {
  fleet = await openFleet({
    budgets: [budgetOf("day", { limit: 2, unit: "calls" })],
    velocity: { report_percent: 0, scopes: {} },
  });
  nodes = [await fleet.open("a"), await fleet.open("b")];
});
afterEach(() => fleet.close());

let count = 0;
const decideOn = (node: Engine): Promise<Decision> =>
  node.weir.decide(intentOf(`o${(count += 1)}`), LOCAL);

/** Decides until the effect is the wanted one. */
async function untilEffect(node: Engine, wanted: Decision["effect"]): Promise<Decision> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const decision = await decideOn(node);
    if (decision.effect === wanted) return decision;
    // It takes none of the budget.
    if (decision.effect === "allow") await node.weir.cancel(decision.id, LOCAL);
    await sleep(25);
  }
  return expect.unreachable(`never ${wanted}`);
}

const grant = (tenant = "acme") => ({
  amount: 3,
  budget: "day",
  reason: "launch day",
  tenant,
  unit: "calls",
  untilMs: Date.now() + 3_600_000,
});

describe("an operator of one node", () => {
  test("freezes a team: the next call of every node is blocked, until it is lifted on another", async () => {
    const [a, b] = nodes;
    const freeze = { reason: "incident", scope: "team:search", tenant: "acme" };
    await a.operator.freeze(freeze, LOCAL);
    expect((await decideOn(b)).effect).toBe("block");
    const [listed] = await b.operator.freezes({ tenant: "acme" }, LOCAL);
    expect(listed).toMatchObject({ actor: "local", reason: "incident", scope: "team:search" });
    await b.operator.unfreeze({ ...freeze, reason: "fixed" }, LOCAL);
    expect((await decideOn(a)).effect).toBe("allow");
  });

  test("freezes the platform: pushed to every node", async () => {
    const [a, b] = nodes;
    const freeze = { reason: "all stop", scope: "*", tenant: "*" };
    await a.operator.freeze(freeze, LOCAL);
    await untilEffect(b, "block");
    expect((await decideOn(a)).effect).toBe("block");
    await b.operator.unfreeze({ ...freeze, reason: "go on" }, LOCAL);
    await untilEffect(a, "allow");
  });

  test("grants: every node admits by the raised limit, and lists the grant", async () => {
    const [a, b] = nodes;
    for (const node of nodes) expect((await decideOn(node)).effect).toBe("allow");
    expect((await decideOn(b)).effect).toBe("block");
    await a.operator.grant(grant(), LOCAL);
    await untilEffect(b, "allow");
    const { grants } = await b.operator.budgets({ budget: "day", tenant: "acme" }, LOCAL);
    expect(grants).toMatchObject([{ actor: "local", amount: 3n, reason: "launch day" }]);
    // Five in all: two of the budget, three of the grant.
    for (const node of [a, b]) expect((await decideOn(node)).effect).toBe("allow");
    expect((await decideOn(b)).effect).toBe("block");
    expect((await decideOn(a)).effect).toBe("block");
  });
});
