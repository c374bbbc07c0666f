import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { loadConfig } from "../../adapters/config.ts";
import { checkpointsPath } from "../../adapters/embedded/checkpoints.ts";
import type { Service } from "../../adapters/serve.ts";
import { dataLayout } from "../../adapters/serve/local-storage.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { budgetOf } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";

const LIMIT_MICRO_USD = 100_000;
const DATA = {
  budgets: [budgetOf("day", { limit: LIMIT_MICRO_USD })],
  velocity: { report_percent: 0, scopes: {} },
};

let fleet: Fleet;
beforeEach(async () => {
  fleet = await openFleet(DATA);
});
afterEach(() => fleet.close());

const finalReport = (decisionId: string) => ({
  decisionId,
  final: true,
  outcome: "ok",
  usage: { input: 1_000, output: 20 },
});
const codesOf = (decision: { readonly reasons: readonly { readonly code: string }[] }) =>
  decision.reasons.map(({ code }) => code);

/** Sums of both nodes' postings against what the shared store holds. */
async function expectBalanced(...names: readonly string[]): Promise<void> {
  const lines = names.flatMap((name) => fleet.lines(name));
  expect(verifyLedger(lines, await fleet.store.balances()).problems).toEqual([]);
}

describe("two nodes on one Redis", () => {
  test("share intents: decided on one, replayed and reported on the other", async () => {
    const [a, b] = [await fleet.start("a"), await fleet.start("b")];
    const decision = await a.weir.decide(intentOf("i1"), LOCAL);
    expect(decision.effect).toBe("allow");
    const again = await b.weir.decide(intentOf("i1"), LOCAL);
    expect(again).toEqual({ ...decision, replayed: true });
    await expect(b.weir.decide(intentOf("i1", { task: "other" }), LOCAL)).rejects.toMatchObject({
      code: "intent.conflict",
    });
    expect(await fleet.store.openReservations()).toBe(1);
    const result = await b.weir.report(finalReport(decision.id), LOCAL);
    expect(result.status).toBe("settled");
    expect((await a.weir.report(finalReport(decision.id), LOCAL)).status).toBe("duplicate");
    await expect(a.weir.decide(intentOf("i1"), LOCAL)).rejects.toMatchObject({
      code: "intent.finished",
    });
    await expect(b.weir.cancel(decision.id, LOCAL)).rejects.toMatchObject({
      code: "decision.finished",
    });
    expect(await fleet.store.balances()).toMatchObject([
      { held: 0n, settled: result.chargedNanoUsd },
    ]);
    await Promise.all([a.stop(), b.stop()]);
    await expectBalanced("a", "b");
  });

  test("share freezes", async () => {
    const [a, b] = [await fleet.start("a"), await fleet.start("b")];
    await fleet.store.freeze("acme", { reason: "incident", scope: "team:search" });
    for (const [at, node] of [a, b].entries()) {
      const decision = await node.weir.decide(intentOf(`f${at}`), LOCAL);
      expect(decision.effect).toBe("block");
    }
    await fleet.store.unfreeze("acme", "team:search");
    expect((await b.weir.decide(intentOf("f3"), LOCAL)).effect).toBe("allow");
  });

  test("64 in flight on each: one hard budget admits exactly what fits", async () => {
    const nodes = [await fleet.start("a"), await fleet.start("b")] as const;
    await nodes[0].weir.decide(intentOf("first"), LOCAL);
    const [balance] = await fleet.store.balances();
    const cost = balance?.held ?? 0n;
    const fits = Number((BigInt(LIMIT_MICRO_USD) * 1_000n) / cost);
    let admitted = 1;
    let sent = 1;
    const work = async (node: Service, name: string): Promise<void> => {
      while (sent < fits + 300) {
        sent += 1;
        const decision = await node.weir.decide(intentOf(`${name}-${sent}`), LOCAL);
        if (decision.effect === "allow") admitted += 1;
        else expect(codesOf(decision)).toContain("budget.exhausted");
      }
    };
    await Promise.all(
      nodes.flatMap((node, at) =>
        Array.from({ length: 64 }, (_, one) => work(node, `${at}-${one}`)),
      ),
    );
    expect(admitted).toBe(fits);
    for (const node of nodes) await node.stop();
    expect(await fleet.store.balances()).toMatchObject([
      { held: cost * BigInt(fits), settled: 0n },
    ]);
    await expectBalanced("a", "b");
  });
});

describe("a node that was killed", () => {
  test("settles the reports without an entry when it starts again, and appends what is missing", async () => {
    const first = await fleet.start("a");
    const decisions = [];
    for (const id of ["k1", "k2"]) decisions.push(await first.weir.decide(intentOf(id), LOCAL));
    await Promise.all(decisions.map(({ id }) => first.weir.report(finalReport(id), LOCAL)));
    await first.stop();
    // The entries were lost on the way, the changes were made.
    const before = await fleet.store.balances();
    expect(dropEntries("a")).toBeGreaterThan(0);
    const second = await fleet.start("a");
    await second.stop();
    expect(await fleet.store.balances()).toEqual(before);
    await expectBalanced("a");
    const settled = fleet.lines("a").flatMap((line) => (line.kind === "entry" ? [line] : []));
    expect(new Set(settled.map((line) => line.decision_id))).toEqual(
      new Set(decisions.map(({ id }) => id)),
    );
    expect(fleet.faults).toEqual([]);
  });
});

/** Takes the entries at the end of a node's log away, as a kill before their append would. */
function dropEntries(name: string): number {
  const folder = dataLayout(fleet.dataOf(name)).log;
  const [file = ""] = readdirSync(folder).toSorted();
  const path = join(folder, file);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const last = lines.findLastIndex((line) => !line.includes('"kind":"entry"'));
  writeFileSync(path, `${lines.slice(0, last + 1).join("\n")}\n`);
  // A kill comes before what it cut off is signed.
  rmSync(checkpointsPath(folder));
  return lines.length - 1 - last;
}

test.each([
  "redis",
  "redis://",
  "http://127.0.0.1:6379",
  "redis://host:99999",
  "redis://host/x",
  "redis://host:6379/0?family=6",
  "redis://host:6379,host:6380",
  "redis+cluster://host:6379/0",
  "redis+cluster://host:6379,",
  "redis+sentinel://host:26379",
  "redis+sentinel://host:26379/two words",
  "redis://us%er@host",
])("state %j is refused by its name", async (state) => {
  const options = { cwd: ".", env: {}, flags: { state } };
  await expect(loadConfig(options)).rejects.toMatchObject({ code: "config.invalid" });
});

test("a refused state does not show its password", async () => {
  const state = "redis://me:secret@host/x";
  const refusal = loadConfig({ cwd: ".", env: {}, flags: { state } });
  await expect(refusal).rejects.toThrow(expect.objectContaining({ code: "config.invalid" }));
  await expect(refusal).rejects.not.toThrow(/secret/);
});
