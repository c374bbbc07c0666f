import { expect, test } from "vitest";
import type { ReserveRequest, ScopeCharge } from "../../engine/reservation/reservation.ts";
import { planScopes, type ScopePlan } from "../../engine/velocity/scopes.ts";
import { RunTable } from "./run-table.ts";
import { ScopeTable } from "./scope-table.ts";
import { MemoryStateStore } from "./state-store.ts";

// Goal: callers that name ever new users and runs fill no memory. Method: name many.

const WINDOW = { calls_min: 1, cold_micro_usd: 1, floor_micro_usd: 1, ratio_percent: 200 };
const [USER] = planScopes({
  report_percent: 0,
  scopes: { user: { windows: { "1h": WINDOW, "1m": WINDOW, "1s": WINDOW } } },
}).kinds as [ScopePlan["kinds"][number]];
const NOW_MS = Date.UTC(2026, 10, 25);
const user = (name: string): ScopeCharge => ({ ...USER, scope: `user:${name}` });

function call(table: ScopeTable, name: string, cost: number, nowMs = NOW_MS) {
  table.snapshot([user(name)], nowMs);
  table.attempt([user(name)], false, true, nowMs);
  return table.charge([user(name)], cost);
}

test("calls that are refused leave no scope and no run behind", async () => {
  const store = new MemoryStateStore();
  for (let number = 0; number < 20_000; number += 1) {
    const refused = number % 2 === 0;
    const request: ReserveRequest = {
      contentDigest: "c",
      costNanoUsd: 5,
      deadlineMs: NOW_MS + 1_000,
      decisionId: `d${number}`,
      force: false,
      freezeScopes: [],
      holds: [
        {
          amount: 1n,
          budget: "b",
          endsAtMs: 0,
          instance: "b",
          limit: refused ? 0n : 1_000n,
          mode: "hard",
          onExpiryAmount: 0n,
          unit: "nano_usd",
        },
      ],
      idempotencyKey: `k${number}`,
      isRetry: true,
      nowMs: NOW_MS,
      principal: "p",
      run: { fingerprint: "f", id: `r${number}`, parent: `r${number - 1}` },
      scopes: [user(`u${number}`)],
      tenant: "acme",
    };
    expect(await store.reserve(request)).toMatchObject({ held: !refused });
    await store.release(request.decisionId, NOW_MS);
  }
  const { runs, scopes } = store.tenant("acme");
  expect(scopes.scopes.size).toBe(0);
  expect([...runs.runs.values()].every(({ steps }) => steps === 0)).toBe(true);
  await store.expire(NOW_MS + 2 * 86_400_000, 1);
  expect(runs.runs.size).toBe(0);
});

test("at its bound the scope idle for longest makes room, and none that matters", () => {
  const table = new ScopeTable((scope) => scope === "user:frozen", 100);
  table.land(call(table, "idle", 1));
  table.land(call(table, "frozen", 1));
  call(table, "in flight", 1);
  table.land(call(table, "hot", 90_000));
  for (let number = 0; number < 3; number += 1) table.land(call(table, "hot", 90_000));
  expect(table.snapshot([user("hot")], NOW_MS)[0]?.hot).toBe(true);
  table.land(call(table, "used again", 1));
  for (let number = 0; number < 80; number += 1) table.land(call(table, `u${number}`, 1));
  table.land(call(table, "used again", 1));
  for (let number = 0; number < 90; number += 1) table.land(call(table, `v${number}`, 1));
  expect(table.scopes.size).toBe(100);
  for (const name of ["frozen", "in flight", "hot", "used again", "v89"])
    expect([...table.scopes.keys()]).toContain(`user:${name}`);
  for (const name of ["idle", "u0"]) expect([...table.scopes.keys()]).not.toContain(`user:${name}`);
});

test("while nothing may make room, a new scope is judged as a fresh one and leaves nothing", () => {
  const table = new ScopeTable(() => false, 3);
  for (const name of ["a", "b", "c"]) call(table, name, 1);
  expect(call(table, "d", 7)).toEqual([]);
  expect(table.snapshot([user("d")], NOW_MS)[0]).toMatchObject({ hot: false, inFlight: 0 });
  expect([...table.scopes.keys()]).toEqual(["user:a", "user:b", "user:c"]);
});

test("of runs, the one idle for longest makes room", () => {
  const table = new RunTable(3);
  for (const id of ["a", "b", "c", "a", "d"]) table.charge({ fingerprint: "", id }, 5, NOW_MS);
  expect([...table.runs.keys()]).toEqual(["c", "a", "d"]);
  expect(table.snapshot({ fingerprint: "", id: "a" })).toMatchObject({ steps: 2 });
});
