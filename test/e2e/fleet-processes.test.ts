import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { loadConfig } from "../../adapters/config.ts";
import { checkState, driftNanoUsd } from "../../adapters/serve/state-check.ts";
import { budgetOf } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";
import type { FleetWork } from "../support/fleet-child.ts";

// Goal: however many processes decide against one hard budget, it admits what fits, to the last call, and the
// counter is what the logs of all of them say. Method: 8 processes, 64 in flight each, on one Redis.

const PROCESSES = 8;
/** About as many calls as this fit, and a half more are sent. */
const LIMIT_MICRO_USD = process.env["WEIR_TEST_SOAK"] === undefined ? 800_000 : 50_000_000;
const CHILD = join(import.meta.dirname, "../support/fleet-child.ts");

let fleet: Fleet;
beforeEach(async () => {
  fleet = await openFleet({
    budgets: [budgetOf("day", { limit: LIMIT_MICRO_USD })],
    velocity: { report_percent: 0, scopes: {} },
  });
});
afterEach(() => fleet.close());

/** What a call costs, nano-USD: one is made and holds it. */
async function costOfOne(name: string): Promise<bigint> {
  const node = await fleet.open(name);
  await node.weir.decide(intentOf("one"), LOCAL);
  const [balance] = await fleet.store.balances();
  return balance?.held ?? 0n;
}

function startProcess(name: string, intents: number) {
  const place = fleet.placeOf(name);
  const work: FleetWork = { intents, name, place };
  const child = fork(CHILD, [JSON.stringify(work)]);
  const next = async <Message>(): Promise<Message> => {
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    });
    const [message] = (await Promise.race([once(child, "message"), ended])) as [Message];
    return message;
  };
  return { child, next };
}

test("8 processes with 64 in flight each: admits exactly what fits, and no counter drifts", async () => {
  const cost = await costOfOne("first");
  const fits = Number((BigInt(LIMIT_MICRO_USD) * 1_000n) / cost);
  const names = Array.from({ length: PROCESSES }, (_, at) => `node-${at}`);
  const intents = Math.ceil((fits * 1.5) / PROCESSES);
  const nodes = names.map((name) => startProcess(name, intents));
  try {
    await Promise.all(nodes.map(({ next }) => next()));
    const answers = nodes.map(({ child, next }) => {
      child.send("go");
      return next<{ readonly admitted: number; readonly faults: readonly string[] }>();
    });
    const results = await Promise.all(answers);
    expect(results.flatMap(({ faults }) => faults)).toEqual([]);
    expect(results.reduce((sum, { admitted }) => sum + admitted, 1)).toBe(fits);
  } finally {
    for (const { child } of nodes) child.kill("SIGKILL");
  }
  expect(await fleet.store.balances()).toMatchObject([{ held: cost * BigInt(fits), settled: 0n }]);
  const { cwd, flags } = fleet.placeOf(names[0] ?? "");
  const config = await loadConfig({ cwd, env: {}, flags });
  const check = await checkState(
    config,
    ["first", ...names].map((name) => fleet.dataOf(name)),
  );
  expect(fits).toBeGreaterThan(PROCESSES * 64);
  expect(driftNanoUsd(check)).toBe(0n);
  expect(check).toMatchObject({ drifts: [], missingLogs: [], openReservations: fits, orphans: [] });
}, 600_000);
