import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { fakeTerminal } from "../../adapters/cli/fake-terminal.ts";
import { runWeir } from "../../adapters/cli/main.ts";
import { NODES, PREFIX } from "../../adapters/redis/keys.ts";
import type { Engine } from "../../adapters/serve.ts";
import { budgetOf } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";

// Goal: `weir state check` finds what the state and the logs of its nodes say otherwise, to the unit.

const DATA = {
  budgets: [
    budgetOf("calls", { limit: 1_000_000, unit: "calls" }),
    budgetOf("money", { limit: 1_000_000_000 }),
  ],
  velocity: { report_percent: 0, scopes: {} },
};

let fleet: Fleet;
beforeEach(async () => {
  fleet = await openFleet(DATA);
});
afterEach(() => fleet.close());

const weir = async (...argv: string[]) => {
  const env = { WEIR_STATE: fleet.redis.url, WEIR_STATE_TIMEOUT: "20s" };
  const terminal = fakeTerminal(join(fleet.dataOf("a"), ".."), env);
  const exit = await runWeir([...argv, "--data", "a"], terminal);
  return { exit, noted: terminal.noted.join("\n"), printed: terminal.printed.join("\n") };
};
const check = async (...flags: string[]): Promise<Record<string, unknown>> => {
  const { exit, noted, printed } = await weir("state", "check", "--json", ...flags);
  expect(noted).toBe("");
  return { exit, ...(JSON.parse(printed) as Record<string, unknown>) };
};

let count = 0;
const decide = (node: Engine) => node.weir.decide(intentOf(`check-${(count += 1)}`), LOCAL);
const report = (node: Engine, decisionId: string) =>
  node.weir.report(
    { decisionId, final: true, outcome: "ok", usage: { input: 1_000, output: 20 } },
    LOCAL,
  );

/** Some of everything on two nodes: open, settled by the other, cancelled. */
async function work(): Promise<readonly [Engine, Engine]> {
  const nodes = [await fleet.open("a"), await fleet.open("b")] as const;
  const [a, b] = nodes;
  await decide(a);
  await report(b, (await decide(a)).id);
  await report(b, (await decide(b)).id);
  await a.weir.cancel((await decide(a)).id, LOCAL);
  await a.weir.idle();
  return nodes;
}

/** The balances of the one tenant there is, and the field of what is held or settled in money. */
async function moneyField(kind: "h" | "s") {
  const client = fleet.redis.connect();
  const [key = ""] = await client.keys(`${PREFIX}*:balances`);
  const fields = await client.hkeys(key);
  const field = fields.find((name) => name.startsWith(`${kind}:acme|money|`)) ?? "";
  return { client, field, key };
}

describe("weir state check", () => {
  test("a state in use agrees with the logs of its nodes, and one log alone is said to be too little", async () => {
    await work();
    expect(await check("--logs", "b")).toMatchObject({
      budgets: 2,
      drift_nano_usd: "0",
      drifts: [],
      exit: 0,
      missing_logs: [],
      open_reservations: 1,
      orphans: 0,
    });
    const alone = await check();
    expect(alone).toMatchObject({ exit: 1, missing_logs: [expect.any(String)] });
    expect((await weir("state", "check")).printed).toMatch(
      /^the state is NOT what the logs say\n[^]*missing +the log of .+: give its data folder in --logs/,
    );
  });

  test("names a balance that was changed by hand, and by how much", async () => {
    await work();
    const { client, field, key } = await moneyField("s");
    await client.hincrby(key, field, -5_000);
    const drift = { budget: "money", held: "0", settled: "-5000", unit: "nano_usd" };
    expect(await check("--logs", "b")).toMatchObject({
      drift_nano_usd: "5000",
      drifts: [drift],
      exit: 1,
    });
    expect((await weir("state", "check", "--logs", "b")).printed).toContain(
      `${field.slice(2)}: -5000 nano_usd settled`,
    );
  });

  test("a balance that is gone is one that drifts", async () => {
    const [a] = await work();
    expect(await check("--logs", "b")).toMatchObject({ drifts: [] });
    const client = fleet.redis.connect();
    await client.flushall();
    const found = await check("--logs", "b");
    expect(found).toMatchObject({ budgets: 0, exit: 1, open_reservations: 0 });
    expect(found["drifts"]).toHaveLength(2);
    await a.weir.idle();
  });

  test("while calls are made it finds no drift that is none", async () => {
    const [a, b] = await work();
    const stop = new AbortController();
    const calls = [a, b].map(async (node) => {
      while (!stop.signal.aborted) await report(node, (await decide(node)).id);
    });
    try {
      expect(await check("--logs", "b")).toMatchObject({ drift_nano_usd: "0", exit: 0 });
      const { client, field, key } = await moneyField("s");
      await client.hincrby(key, field, 1_000_000_000);
      const found = await check("--logs", "b");
      expect(BigInt(String(found["drift_nano_usd"]))).toBeGreaterThan(500_000_000n);
    } finally {
      stop.abort();
      await Promise.all(calls);
    }
  });

  test("a reservation that is in no log is an orphan, and no drift", async () => {
    await work();
    const lost = await fleet.open("c");
    await decide(lost);
    await fleet.redis.connect().hdel(NODES, nameOf("c"));
    expect(await check("--logs", "b")).toMatchObject({
      drift_nano_usd: "0",
      exit: 1,
      open_reservations: 2,
      orphans: 1,
    });
  });

  test("state in memory is made anew from the log", async () => {
    const node = await fleet.open("a", { state: "memory" });
    await decide(node);
    await report(node, (await decide(node)).id);
    const terminal = fakeTerminal(join(fleet.dataOf("a"), ".."), {});
    const exit = await runWeir(["state", "check", "--json", "--data", "a"], terminal);
    expect({ exit, ...JSON.parse(terminal.printed.join("")) }).toMatchObject({
      budgets: 2,
      drift_nano_usd: "0",
      exit: 0,
      open_reservations: 1,
      orphans: 0,
    });
  });
});

describe("weir state rebuild", () => {
  const moneyBalance = async () => {
    const found = (await fleet.store.balances()).find(({ budget }) => budget === "money");
    return found ?? { held: 0n, settled: 0n };
  };
  const rebuild = async () => {
    const { exit, noted, printed } = await weir("state", "rebuild", "--json", "--logs", "b");
    expect(noted).toBe("");
    return { exit, ...(JSON.parse(printed) as Record<string, unknown>) };
  };

  test("brings back what an emptied Redis has lost; what was open ends once", async () => {
    const [a, b] = await work();
    const [early, last] = [await decide(b), await decide(b)];
    // Open are three calls of one price.
    const heldOfOne = (await moneyBalance()).held / 3n;
    await a.operator.freeze({ reason: "incident", scope: "team:other", tenant: "acme" }, LOCAL);
    await a.operator.freeze({ reason: "incident", scope: "team:gone", tenant: "acme" }, LOCAL);
    await b.operator.unfreeze({ reason: "fixed", scope: "team:gone", tenant: "acme" }, LOCAL);
    await fleet.redis.stop();
    await fleet.redis.start();
    await untilReconnected(a);
    await untilReconnected(b);
    const { chargedNanoUsd } = await report(b, early.id);
    expect(await rebuild()).toMatchObject({
      drift_nano_usd: "0",
      drifts: [],
      exit: 0,
      open_reservations: 2,
      orphans: 0,
      rebuilt: { balances: 2, freezes: 1, grants: 0, reservations: 2 },
    });
    // Two calls were reported before, one since.
    const rebuilt = { held: 2n * heldOfOne, settled: 3n * chargedNanoUsd };
    expect(await moneyBalance()).toMatchObject(rebuilt);
    expect((await fleet.store.freezes()).map(({ scope }) => scope)).toEqual(["team:other"]);
    // Again: nothing is left to do.
    expect(await rebuild()).toMatchObject({
      exit: 0,
      rebuilt: { balances: 0, freezes: 0, grants: 0, reservations: 0 },
    });
    expect((await report(a, last.id)).status).toBe("settled");
    expect((await report(a, last.id)).status).toBe("duplicate");
    expect(await check("--logs", "b")).toMatchObject({ exit: 0, open_reservations: 1 });
  });

  test("takes back what was changed by hand, and refuses to without every log", async () => {
    await work();
    const { client, field, key } = await moneyField("s");
    const right = await client.hget(key, field);
    await client.hincrby(key, field, 7_000);
    const refused = await weir("state", "rebuild");
    expect(refused.noted).toMatch(/logs: without the log of .+ the balances would be wrong/);
    expect(refused.exit).toBe(2);
    expect(await rebuild()).toMatchObject({ drift_nano_usd: "0", exit: 0 });
    expect(await client.hget(key, field)).toBe(right);
  });
});

async function untilReconnected(node: Engine): Promise<void> {
  for (let left = 400; ; left -= 1) {
    const count = await node.openReservations().catch(() => null);
    if (count !== null) return;
    expect(left).toBeGreaterThan(0);
    await sleep(25);
  }
}

/** Name of a node's log. */
function nameOf(node: string): string {
  const named = fleet
    .lines(node)
    .flatMap((line) =>
      line.kind === "control" && line.action === "audit_key.set" ? [line.after] : [],
    );
  return named.at(-1)?.split("+")[0] ?? "";
}
