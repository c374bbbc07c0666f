import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, describe, expect, test } from "vitest";

import { SqliteConnection } from "../../adapters/sqlite/connection.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { intentOf, LOCAL, openTestEngine, type TestEngine } from "../support/engine.ts";
import { ingestFolder, WHOLE_LIST, WHOLE_SUM } from "../support/ledger-store.ts";

// Goal: the entries that follow from the log say what was spent, to the unit, by whom and on what.
// Method: a whole engine on a folder, its log taken into SQLite.

const opened: TestEngine[] = [];
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

async function open(): Promise<TestEngine> {
  const engine = await openTestEngine();
  opened.push(engine);
  return engine;
}

async function storeOf(engine: TestEngine) {
  await engine.weir.idle();
  return ingestFolder(new SqliteConnection(join(engine.folder, "ledger.db")), engine.folder);
}

async function call(
  engine: TestEngine,
  id: string,
  usage: Record<string, number> | null,
  change: Partial<RawIntent> = {},
): Promise<string> {
  const decision = await engine.weir.decide(intentOf(id, change), LOCAL);
  if (usage !== null) {
    const report = { decisionId: decision.id, final: true, outcome: "ok", usage };
    await engine.weir.report(report, LOCAL);
  }
  return decision.id;
}

describe("the entries of a decision", () => {
  test("carry who, what and which prices, and cost what the price row says", async () => {
    const engine = await open();
    const id = await call(engine, "a", {
      cacheRead: 400,
      input: 1_000,
      output: 200,
      reasoning: 50,
    });
    const store = await storeOf(engine);
    const entries = await store.list({ ...WHOLE_LIST, decisionId: id });
    expect(entries.map(({ kind }) => kind)).toEqual(["reserved", "settled"]);
    const [reserved, settled] = entries;
    expect(reserved?.costPicoUsd).toBe(0n);
    expect(settled?.dimensions).toMatchObject({
      asked_model: "openai:gpt-5-mini",
      basis: "provider",
      cost_center: "cc-100",
      layer: "inference",
      model: "openai:gpt-5-mini",
      priced: "yes",
      principal: "local",
      provider: "openai",
      team: "search",
      tenant: "acme",
    });
    expect(settled?.tokens).toEqual({
      cache_read: 400,
      cache_write_1h: 0,
      cache_write_5m: 0,
      input: 600,
      output: 150,
      reasoning: 50,
    });
    const [row] = await store.priceRows();
    expect(row?.id).toBe(settled?.dimensions.price_row);
    const byClass = Object.entries(settled?.tokens ?? {}).map(
      ([name, count]) =>
        BigInt(count) * BigInt(row?.microUsdPerMtok[name as keyof typeof row.microUsdPerMtok] ?? 0),
    );
    expect(byClass.reduce((sum, cost) => sum + cost, 0n)).toBe(settled?.costPicoUsd);
    expect(settled?.costPicoUsd).toBeGreaterThan(0n);
  });

  test("a partial report, then another basis: each sum stays exact", async () => {
    const engine = await open();
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    const report = (sequence: number, final: boolean, basis: string, output: number) =>
      engine.weir.report(
        {
          basis,
          decisionId: id,
          final,
          outcome: final ? "ok" : "",
          sequence,
          usage: { input: 1_000, output },
        },
        LOCAL,
      );
    await report(1, false, "estimated", 100);
    await report(2, false, "estimated", 300);
    await report(3, true, "provider", 200);
    const store = await storeOf(engine);
    const entries = await store.list({ ...WHOLE_LIST, decisionId: id });
    const cost = (output: number) => 250_000n * 1_000n + 2_000_000n * BigInt(output);
    expect(
      entries.map(({ costPicoUsd, dimensions, kind, tokens }) => [
        kind,
        dimensions.basis,
        costPicoUsd,
        tokens.output,
      ]),
    ).toEqual([
      ["reserved", "estimated", 0n, 0],
      ["settled", "estimated", cost(100), 100],
      ["settled", "estimated", cost(200) - 250_000_000n, 200],
      ["settled", "provider", cost(200), 200],
      ["settled", "estimated", -cost(300), -300],
    ]);
    const sums = await store.summarize({ ...WHOLE_SUM, groupBy: ["basis"] });
    expect(
      sums.rows.map(({ calls, costPicoUsd, group }) => [group.basis, calls, costPicoUsd]),
    ).toEqual([
      ["provider", 1, cost(200)],
      ["estimated", 0, 0n],
    ]);
  });

  test("a reroute says which model the hold was taken from; what is blocked gives its hold back", async () => {
    const engine = await open();
    const rerouted = await call(
      engine,
      "a",
      { input: 10, output: 10 },
      { model: "openai:gpt-6.1-sol", task: "classify" },
    );
    const blocked = await call(engine, "b", null, { model: "openai:no-such-model" });
    const store = await storeOf(engine);
    const entriesOf = (decisionId: string) => store.list({ ...WHOLE_LIST, decisionId });
    const moved = await entriesOf(rerouted);
    expect(moved.map(({ kind }) => kind)).toEqual(["reserved", "adjusted", "settled"]);
    expect(moved[1]?.detail.from_model).toBe("openai:gpt-6.1-sol");
    expect(moved[2]?.dimensions.model).not.toBe("openai:gpt-6.1-sol");
    expect((await entriesOf(blocked)).map(({ kind }) => kind)).toEqual(["reserved", "released"]);
  });

  test("a hold that nobody reported expires; its late report corrects", async () => {
    const engine = await open();
    const id = await call(engine, "a", null);
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", usage: { input: 1_000, output: 100 } },
      LOCAL,
    );
    const store = await storeOf(engine);
    const entries = await store.list({ ...WHOLE_LIST, decisionId: id });
    expect(entries.map(({ calls, costPicoUsd, kind }) => [kind, calls, costPicoUsd])).toEqual([
      ["reserved", 0, 0n],
      ["expired", 0, 0n],
      ["corrected", 1, 450_000_000n],
    ]);
    const { total } = await store.summarize(WHOLE_SUM);
    expect(total).toMatchObject({ calls: 1, expired: 1, okCalls: 1, reserved: 1 });
  });
});

describe("the layer of a cost", () => {
  test.each([
    [{}, "inference"],
    [{ task: "planning" }, "orchestration"],
    [{ task: "compaction" }, "context"],
    [{ attempt: { number: 2, reason: "timeout" } }, "orchestration"],
    [{ labels: { cost_layer: "saas_embeds" } }, "saas_embeds"],
    [{ labels: { cost_layer: "nonsense" } }, "inference"],
    [{ labels: { cost_layer: "tools" }, operation: "moderation" }, "tools"],
    [{ operation: "moderation" }, "governance"],
  ] as const)("of %j is %s", async (change, layer) => {
    const engine = await open();
    const id = await call(engine, "a", null, change);
    const store = await storeOf(engine);
    expect((await store.decision(id))?.layer).toBe(layer);
  });
});

test("a query store that is deleted, or of another version, is made anew from the log", async () => {
  const engine = await open();
  await call(engine, "a", { input: 1_000, output: 100 });
  const path = join(engine.folder, "ledger.db");
  const first = new SqliteConnection(path);
  const before = await (await ingestFolder(first, engine.folder)).list(WHOLE_LIST);
  await first.close();
  for (const damage of ["not a database, but of some length".repeat(200), ""]) {
    writeFileSync(path, damage);
    const again = new SqliteConnection(path);
    expect(await (await ingestFolder(again, engine.folder)).list(WHOLE_LIST)).toEqual(before);
    await again.close();
  }
});
