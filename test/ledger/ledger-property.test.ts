import { join } from "node:path";

import { expect, test } from "vitest";

import { SqliteConnection } from "../../adapters/sqlite/connection.ts";
import { DIMENSIONS, type LedgerEntry } from "../../engine/ledger/ledger-entry.ts";
import type { SqlQueryStore } from "../../adapters/ledger/store.ts";
import { ceilDiv, NANO_PER_MICRO } from "../../engine/money.ts";
import type { EntryRecord, LogLine } from "../../engine/record/record.ts";
import { EVERY_KIND } from "../support/budgets.ts";
import { LOCAL, openTestEngine } from "../support/engine.ts";
import { EVERYTHING, ingestFolder, WHOLE_LIST, WHOLE_SUM } from "../support/ledger-store.ts";
import { Random } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";

// Goal: whatever traffic comes, the sums of the ledger are what the log says was spent, to the
// pico-USD; for every budget the sum of its entries is the state store's balance and the answer of
// the API; the hourly sums are those of every entry; and a store made anew is the same.

const STEPS = 300;

/** What each decision cost in the end: its entry that came last in the store's order. */
function finalCosts(lines: readonly LogLine[]): Map<string, bigint> {
  const latest = new Map<string, EntryRecord>();
  for (const line of lines) {
    if (line.kind !== "entry") continue;
    const before = latest.get(line.decision_id);
    if (before === undefined || line.state_sequence > before.state_sequence)
      latest.set(line.decision_id, line);
  }
  return new Map([...latest].map(([id, entry]) => [id, BigInt(entry.cost_pico_usd)]));
}

function sumBy(entries: readonly LedgerEntry[], key: (entry: LedgerEntry) => string) {
  const sums = new Map<string, bigint>();
  for (const entry of entries)
    sums.set(key(entry), (sums.get(key(entry)) ?? 0n) + entry.costPicoUsd);
  return sums;
}

async function dump(store: SqlQueryStore) {
  return {
    balances: await store.balances(),
    entries: await store.list(WHOLE_LIST),
    sums: await store.summarize({ ...WHOLE_SUM, bucket: "hour", groupBy: DIMENSIONS }),
  };
}

test.each(["one", "two"])("traffic %s", async (seed) => {
  const engine = await openTestEngine({ data: { budgets: EVERY_KIND }, seed });
  try {
    await new Traffic(engine, new Random(seed.length)).run(STEPS);
    // Everything ends, so that nothing is held any more.
    engine.clock.advance(86_400_000);
    await engine.weir.sweep();
    await engine.weir.idle();
    const connection = new SqliteConnection(join(engine.folder, "one.db"));
    const store = await ingestFolder(connection, engine.folder);

    const entries = await store.list(WHOLE_LIST);
    const costs = finalCosts(engine.lines());
    const byDecision = sumBy(entries, ({ decisionId }) => decisionId);
    for (const [id, cost] of costs) expect(byDecision.get(id), id).toBe(cost);
    const total = [...costs.values()].reduce((sum, cost) => sum + cost, 0n);
    expect(total).toBeGreaterThan(0n);

    // Each class at its row's price: the parts are the whole, wherever a row is named.
    const rows = new Map((await store.priceRows()).map((row) => [row.id, row]));
    for (const entry of entries) {
      const row = rows.get(entry.dimensions.price_row);
      if (row === undefined) continue;
      const parts = Object.entries(entry.tokens).map(
        ([name, count]) =>
          BigInt(count) * BigInt(row.microUsdPerMtok[name as keyof LedgerEntry["tokens"]]),
      );
      const sum = parts.reduce((one, other) => one + other, 0n);
      expect(sum + BigInt(entry.calls) * row.requestPicoUsd, entry.id).toBe(entry.costPicoUsd);
    }

    for (const bucket of ["none", "hour", "day", "month"] as const) {
      for (const groupBy of [[], ["team", "model"], ["user", "layer"], ["priced", "basis"]]) {
        const query = { ...WHOLE_SUM, bucket, groupBy: groupBy as (typeof DIMENSIONS)[number][] };
        const sums = await store.summarize(query);
        expect(sums).toEqual(await store.summarize({ ...query, scan: true }));
        expect(sums.total.costPicoUsd).toBe(total);
        expect(sums.rows.reduce((sum, row) => sum + row.costPicoUsd, 0n)).toBe(total);
      }
    }
    const teams = await store.summarize({ ...WHOLE_SUM, groupBy: ["team"] });
    const byTeam = sumBy(entries, ({ dimensions }) => dimensions.team);
    for (const { costPicoUsd, group } of teams.rows)
      expect(costPicoUsd).toBe(byTeam.get(group.team ?? ""));

    const posted = new Map((await store.balances()).map((one) => [one.instance, one]));
    const balances = await engine.store.balances();
    expect(balances.length).toBeGreaterThan(8);
    for (const { held, instance, settled } of balances)
      expect(posted.get(instance), instance).toMatchObject({ held, settled });
    const api = await engine.operator.budgets({ tenant: "acme" }, LOCAL);
    for (const { budget, held, settled } of api.budgets) {
      if (budget !== "month-soft") continue;
      const sum = [...posted.values()].filter((one) => one.budget === budget);
      expect(held).toBe(0);
      const charged = sum.reduce((all, one) => all + one.settled, 0n);
      expect(BigInt(settled)).toBe(ceilDiv(charged, NANO_PER_MICRO));
    }

    // Read again from the start, in batches of another size, and with lines that come twice.
    const other = new SqliteConnection(join(engine.folder, "two.db"));
    const again = await ingestFolder(other, engine.folder, "w1", 64);
    expect(await dump(again)).toEqual(await dump(store));
    const page = await store.list({ ...WHOLE_LIST, filter: { ...EVERYTHING, kinds: ["settled"] } });
    expect(page.length).toBe(entries.filter(({ kind }) => kind === "settled").length);
    await connection.close();
    await other.close();
  } finally {
    await engine.close();
  }
});
