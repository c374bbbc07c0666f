import { describe, expect, test } from "vitest";

import type { RawFreeze, RawGrant } from "../engine/operator/operator.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import { LIMITS } from "../engine/limits.ts";
import type { PrincipalData } from "../engine/policy/bundle-data.ts";
import type { Caller } from "../engine/weir.ts";
import { budgetOf, NO_VELOCITY } from "./support/budgets.ts";
import {
  intentOf,
  LOCAL,
  START_MS,
  type TestEngine,
  type TestEngineOptions,
} from "./support/engine.ts";
import { closeAfter, open } from "./support/opened.ts";
import { GatedLog, LossyStore } from "./support/ports.ts";
import { dumpState } from "./support/state-dump.ts";

// Goal: what an operator does is in the log first, then at once in force, and survives a restart.
// Method: a whole engine on a folder, its log read back.

const restarted = async (engine: TestEngine): Promise<TestEngine> => {
  await engine.weir.idle();
  const again = await engine.openCopy();
  closeAfter(again);
  return again;
};
const PRINCIPALS: Readonly<Record<string, PrincipalData>> = {
  "acme-ops": { tenants: ["acme"], claims: {}, roles: ["operator"] },
  caller: { tenants: ["*"], claims: {} },
  local: { tenants: ["*"], claims: {}, roles: ["operator"] },
};
const freezeOf = (change: RawFreeze = {}): RawFreeze => ({
  reason: "runaway agent",
  scope: "team:search",
  tenant: "acme",
  ...change,
});
const codesOf = async (engine: TestEngine, id: string): Promise<string[]> => {
  const decision = await engine.weir.decide(intentOf(id), LOCAL);
  return [decision.effect, ...decision.reasons.map(({ code }) => code)];
};
const stateOf = (engine: TestEngine) => dumpState(engine.store, ["local"], engine.clock.nowMs());

describe("a freeze", () => {
  test("blocks the next call, ends with its lifting, and is in the log with who and why", async () => {
    const engine = await open();
    expect(await codesOf(engine, "a")).toEqual(["allow"]);
    const change = await engine.operator.freeze(freezeOf(), LOCAL);
    expect(change).toMatchObject({ actor: "local", atMs: START_MS, wasFrozen: false });
    const blocked = await engine.weir.decide(intentOf("b"), LOCAL);
    expect(blocked).toMatchObject({ effect: "block", reasons: [{ code: "freeze.active" }] });
    expect(blocked.reasons[0]?.message).toBe("team:search is frozen: runaway agent");
    const lifted = await engine.operator.unfreeze(freezeOf({ reason: "fixed" }), LOCAL);
    expect(lifted.wasFrozen).toBe(true);
    expect(await codesOf(engine, "c")).toEqual(["allow"]);
    expect(engine.lines().filter(({ kind }) => kind === "freeze")).toEqual([
      {
        actor: "local",
        at_ms: START_MS,
        before: { frozen: false, reason: "" },
        frozen: true,
        kind: "freeze",
        reason: "runaway agent",
        scope: "team:search",
        tenant: "acme",
        v: 1,
      },
      expect.objectContaining({
        before: { frozen: true, reason: "runaway agent" },
        frozen: false,
        reason: "fixed",
      }),
    ]);
  });

  test("says whether the bundle has what it names, as far as bundles say", async () => {
    const engine = await open();
    const isKnown = async (scope: string, tenant = "acme") =>
      (await engine.operator.freeze({ reason: "r", scope, tenant }, LOCAL)).isKnown;
    for (const scope of ["*", "team:search", "user:anybody", "model:openai:gpt-5-mini"])
      expect(await isKnown(scope), scope).toBe(true);
    for (const scope of ["team:serch", "team:platform", "model:openai:gpt-5-minni"])
      expect(await isKnown(scope), scope).toBe(false);
    expect(await isKnown("*", "*")).toBe(true);
    expect(await isKnown("team:platform", "*")).toBe(true);
    expect(await isKnown("*", "acmee")).toBe(false);
    expect(await isKnown("tenant:acmee", "*")).toBe(false);
  });

  test("blocks in shadow too", async () => {
    const engine = await open({ mode: "shadow" });
    await engine.operator.freeze(freezeOf(), LOCAL);
    expect(await codesOf(engine, "a")).toEqual(["block", "freeze.active"]);
  });

  test.each([
    ["*", "acme"],
    ["*", "*"],
    ["tenant:acme", "acme"],
    ["tenant:acme", "*"],
    ["feature:answers", "acme"],
    ["service:search-api", "acme"],
    ["environment:prod", "*"],
    ["cost_center:cc-100", "acme"],
    ["model:openai:gpt-5-mini", "*"],
  ])("of %s for %s stops a call of acme, and one of others lets it pass", async (scope, tenant) => {
    const engine = await open();
    await engine.operator.freeze(freezeOf({ scope: "team:support" }), LOCAL);
    await engine.operator.freeze(freezeOf({ scope: "*", tenant: "globex" }), LOCAL);
    expect(await codesOf(engine, "a")).toEqual(["allow"]);
    await engine.operator.freeze(freezeOf({ scope, tenant }), LOCAL);
    expect(await codesOf(engine, "b")).toEqual(["block", "freeze.active"]);
    await engine.operator.unfreeze(freezeOf({ scope, tenant }), LOCAL);
    expect(await codesOf(engine, "c")).toEqual(["allow"]);
  });

  test("survives a restart, and so does its lifting", async () => {
    const engine = await open();
    await engine.operator.freeze(freezeOf({ scope: "team:support" }), LOCAL);
    await engine.operator.freeze(freezeOf({ scope: "*", tenant: "*" }), LOCAL);
    await engine.operator.freeze(freezeOf(), LOCAL);
    await engine.operator.unfreeze(freezeOf({ scope: "*", tenant: "*" }), LOCAL);
    const again = await restarted(engine);
    expect(stateOf(again)).toEqual(stateOf(engine));
    expect(await again.operator.freezes({}, LOCAL)).toEqual(
      await engine.operator.freezes({}, LOCAL),
    );
    expect(await codesOf(again, "a")).toEqual(["block", "freeze.active"]);
  });

  test("keeps its order among decisions that reach the log out of theirs", async () => {
    let log: GatedLog | undefined;
    const engine = await open({ ports: (ports) => ({ log: (log = new GatedLog(ports.log)) }) });
    const gate = log as unknown as GatedLog;
    gate.shut = true;
    const early = engine.weir.decide(intentOf("early"), LOCAL);
    await expect.poll(() => gate.waiting).toBe(1);
    gate.shut = false;
    await engine.weir.decide(intentOf("late"), LOCAL);
    await engine.operator.freeze(freezeOf(), LOCAL);
    gate.open();
    await early;
    await engine.operator.unfreeze(freezeOf(), LOCAL);
    const again = await restarted(engine);
    expect(await again.operator.freezes({}, LOCAL)).toEqual([]);
  });

  test("that cannot be logged does not happen", async () => {
    let log: GatedLog | undefined;
    const engine = await open({ ports: (ports) => ({ log: (log = new GatedLog(ports.log)) }) });
    const gate = log as unknown as GatedLog;
    gate.fails = ({ kind }) => kind === "freeze";
    const refused = engine.operator.freeze(freezeOf(), LOCAL);
    await expect(refused).rejects.toMatchObject({ code: "log.unavailable" });
    expect(await engine.operator.freezes({}, LOCAL)).toEqual([]);
    expect(await codesOf(engine, "a")).toEqual(["allow"]);
  });

  test.each<[RawFreeze, string]>([
    [
      { scope: "teem:search" },
      'scope: "teem:search" is of no known kind; accepted are *, tenant:…',
    ],
    [{ scope: "search" }, 'scope: "search" is of no known kind'],
    [{ scope: "team:" }, 'scope: "team:" needs 1 to 128 characters after "team:"'],
    [{ scope: "tenant:globex" }, 'scope: "tenant:globex" is another tenant than "acme"'],
    [{ scope: "model:gpt-5" }, "is not of the form"],
    [{ scope: undefined }, "scope: missing"],
    [{ reason: "" }, "reason: missing; 1 to 256 characters"],
    [{ reason: "x".repeat(257) }, "reason: 257 characters, at most 256"],
    [{ tenant: 5 }, "tenant: 5 is not a string"],
  ])("that is malformed (%j) is one clear error", async (change, message) => {
    const engine = await open();
    const refused = engine.operator.freeze(freezeOf(change), LOCAL);
    await expect(refused).rejects.toMatchObject({
      code: "admin.invalid",
      message: expect.stringContaining(`freeze refused: `) as string,
    });
    await expect(refused).rejects.toThrow(message);
    expect(engine.lines().map(({ kind }) => kind)).toEqual(["rejected"]);
    expect(await engine.store.freezes()).toEqual([]);
  });
});

describe("who may", () => {
  test("a stranger and a mere caller are refused, and the refusal is logged", async () => {
    const engine = await open({ data: { principals: PRINCIPALS } });
    const { operator } = engine;
    const calls: readonly ((caller: Caller) => Promise<unknown>)[] = [
      (caller) => operator.freeze(freezeOf(), caller),
      (caller) => operator.unfreeze(freezeOf(), caller),
      (caller) => operator.freezes({ tenant: "acme" }, caller),
      (caller) => operator.grant(grantOf(), caller),
      (caller) => operator.budgets({ tenant: "acme" }, caller),
      (caller) => operator.velocity({ tenant: "acme" }, caller),
    ];
    for (const principal of ["nobody", "caller", "__proto__"]) {
      for (const call of calls) {
        await expect(call({ principal })).rejects.toMatchObject({
          code: "auth.denied",
          message: `principal ${principal} is no operator of tenant acme`,
        });
      }
    }
    for (const principal of ["nobody", "caller"]) {
      await expect(operator.freezes({}, { principal })).rejects.toThrow(
        /is no operator of the whole/,
      );
    }
    expect(engine.lines().every((line) => line.kind === "rejected")).toBe(true);
    expect(engine.lines()).toHaveLength(9);
  });

  test("an operator of one tenant stops that tenant, not another and not the platform", async () => {
    const engine = await open({ data: { principals: PRINCIPALS } });
    const ops = { principal: "acme-ops" };
    await engine.operator.freeze(freezeOf({ scope: "*" }), ops);
    for (const tenant of ["*", "globex"]) {
      await expect(engine.operator.freeze(freezeOf({ scope: "*", tenant }), ops)).rejects.toThrow(
        /is no operator of (the whole platform|tenant globex)/,
      );
    }
    await engine.operator.freeze(freezeOf({ scope: "*", tenant: "globex" }), LOCAL);
    await engine.operator.freeze(freezeOf({ scope: "run:r", tenant: "*" }), LOCAL);
    const tenants = (await engine.operator.freezes({}, ops)).map(({ tenant }) => tenant);
    expect(tenants.toSorted()).toEqual(["*", "acme"]);
    expect(await engine.operator.freezes({}, LOCAL)).toHaveLength(3);
  });
});

const HOUR_MS = 3_600_000;
const grantOf = (change: RawGrant = {}): RawGrant => ({
  amount: 2_000_000,
  budget: "day",
  reason: "launch",
  tenant: "acme",
  untilMs: START_MS + HOUR_MS,
  ...change,
});
/** Every call of `intentOf` holds 1,250 micro-USD. */
const CEILING = 1_250;
const admitted = async (engine: TestEngine, name: string, most = 20): Promise<number> => {
  for (let count = 0; count < most; count += 1) {
    const { effect } = await engine.weir.decide(intentOf(`${name}${count}`), LOCAL);
    if (effect !== "allow") return count;
  }
  return most;
};
const tight = (): TestEngineOptions => ({
  data: {
    budgets: [
      budgetOf("day", { limit: 3 * CEILING }),
      budgetOf("calls", { limit: 9, unit: "calls" }),
    ],
    principals: PRINCIPALS,
    velocity: NO_VELOCITY,
  },
});

describe("a grant", () => {
  test("lets through exactly what it adds, and ends at its time", async () => {
    const engine = await open(tight());
    expect(await admitted(engine, "a")).toBe(3);
    const granted = await engine.operator.grant(grantOf({ amount: 2 * CEILING + 1 }), LOCAL);
    expect(granted).toMatchObject({
      limitAfter: 5 * CEILING + 1,
      limitBefore: 3 * CEILING,
      repeated: false,
    });
    expect(await admitted(engine, "b")).toBe(2);
    const [status] = (await engine.operator.budgets({ budget: "day", tenant: "acme" }, LOCAL))
      .budgets;
    expect(status).toMatchObject({ granted: 2 * CEILING + 1, held: 5 * CEILING, remaining: 1 });
    engine.clock.advance(HOUR_MS - 1);
    await engine.operator.grant(
      grantOf({ amount: CEILING - 1, untilMs: START_MS + 2 * HOUR_MS }),
      LOCAL,
    );
    expect(await admitted(engine, "c")).toBe(1);
    engine.clock.advance(1);
    expect(await admitted(engine, "d")).toBe(0);
    const list = await engine.operator.budgets({ budget: "day", tenant: "acme" }, LOCAL);
    expect(list.budgets[0]).toMatchObject({ granted: CEILING - 1, usedPercent: 151 });
    expect(list.budgets[0]?.remaining).toBeLessThan(0);
    expect(list.grants.map(({ amount }) => amount)).toEqual([BigInt(CEILING - 1) * 1_000n]);
    await engine.weir.idle();
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ overdrawn: [], problems: [] });
  });

  test("is in the log, survives a restart and another bundle", async () => {
    const engine = await open(tight());
    const { grant } = await engine.operator.grant(grantOf({ amount: CEILING }), LOCAL);
    expect(engine.lines()).toEqual([
      {
        actor: "local",
        amount: String(CEILING * 1_000),
        at_ms: START_MS,
        budget: "day",
        id: grant.id,
        kind: "grant",
        limit_after: String(4 * CEILING * 1_000),
        limit_before: String(3 * CEILING * 1_000),
        reason: "launch",
        tenant: "acme",
        unit: "nano_usd",
        until_ms: START_MS + HOUR_MS,
        v: 1,
      },
    ]);
    const again = await restarted(engine);
    expect(stateOf(again)).toEqual(stateOf(engine));
    expect(await admitted(again, "a")).toBe(4);
    const swapped = await engine.openCopy({
      data: { ...tight().data, budgets: [budgetOf("day", { limit: 4 * CEILING })] },
    });
    closeAfter(swapped);
    expect(await admitted(swapped, "a")).toBe(5);
  });

  test("is verified with the money", async () => {
    const engine = await open(tight());
    await engine.operator.grant(grantOf({ id: "g1" }), LOCAL);
    const [line] = engine.lines();
    if (line?.kind !== "grant") return expect.unreachable();
    expect(verifyLedger([line]).problems).toEqual([]);
    const whats = (change: object) =>
      verifyLedger([{ ...line, ...change }]).problems.map(({ what }) => what);
    expect(whats({ amount: "0", limit_after: line.limit_before })).toEqual(["grants nothing"]);
    expect(whats({ limit_after: "1" })[0]).toMatch(/^grants 2000000000, but raises the limit from/);
    expect(verifyLedger([line, line]).problems).toEqual([{ at: "g1", what: "granted twice" }]);
    return undefined;
  });

  test("that the store did not take is finished by the same request", async () => {
    const store = new LossyStore();
    store.only = ["grant"];
    store.lost = true;
    const engine = await open({ ...tight(), ports: ({ state }) => ({ state: store.wrap(state) }) });
    const grant = grantOf({ amount: CEILING, id: "g1" });
    await expect(engine.operator.grant(grant, LOCAL)).rejects.toMatchObject({
      code: "state.unavailable",
    });
    expect(await engine.store.grants()).toEqual([]);
    store.lost = false;
    expect(await engine.operator.grant(grant, LOCAL)).toMatchObject({ repeated: true });
    expect(await engine.store.grants()).toHaveLength(1);
    expect(await admitted(engine, "a")).toBe(4);
    expect(engine.lines().filter(({ kind }) => kind === "grant")).toHaveLength(1);
  });

  test("of calls counts calls, and one in another unit is refused", async () => {
    const engine = await open(tight());
    const calls = grantOf({ amount: 3, budget: "calls", unit: "calls" });
    expect(await engine.operator.grant(calls, LOCAL)).toMatchObject({ limitAfter: 12 });
    await expect(engine.operator.grant(grantOf({ budget: "calls" }), LOCAL)).rejects.toThrow(
      "grant refused: unit: budget calls is in calls, not in usd",
    );
  });

  test("sent twice is made once; its id with another content is refused", async () => {
    const engine = await open(tight());
    const first = await engine.operator.grant(grantOf({ id: "g1" }), LOCAL);
    const second = await engine.operator.grant(grantOf({ id: "g1" }), LOCAL);
    expect(second).toEqual({ ...first, repeated: true });
    await expect(engine.operator.grant(grantOf({ amount: 1, id: "g1" }), LOCAL)).rejects.toThrow(
      "grant refused: id: g1 was used before for another grant",
    );
    expect(engine.lines().map(({ kind }) => kind)).toEqual(["grant", "rejected"]);
    const other = await engine.operator.grant(
      grantOf({ amount: 1, budget: "calls", id: "g1", unit: "calls" }),
      LOCAL,
    );
    expect(other.repeated).toBe(false);
    engine.clock.advance(HOUR_MS);
    const later = grantOf({ amount: CEILING, id: "g1", untilMs: START_MS + 2 * HOUR_MS });
    expect((await engine.operator.grant(later, LOCAL)).repeated).toBe(false);
    const again = await restarted(engine);
    expect(stateOf(again)).toEqual(stateOf(engine));
    expect(await admitted(again, "a")).toBe(4);
    expect(verifyLedger(engine.lines()).problems).toEqual([]);
  });

  test.each<[RawGrant, string]>([
    [{ amount: -1 }, "amount: -1 is not a whole number from 1"],
    [{ amount: 0 }, "amount: 0 is not a whole number from 1"],
    [{ amount: undefined }, "amount: 0 is not a whole number from 1"],
    [{ amount: 1.5 }, "amount: 1.5 is not a whole number"],
    [{ amount: 2n ** 60n }, "amount: 1152921504606846976 is not a whole number"],
    [{ amount: 9e15 }, "amount: 9000000000000000 is too much; at most 8999999999996250 more"],
    [{ budget: "dya" }, "budget: tenant acme has no budget dya; it has day, calls"],
    [{ untilMs: START_MS }, "until_ms: 1795608000000 is not accepted; accepted is a time from"],
    [{ untilMs: START_MS + 367 * 24 * HOUR_MS }, "is not accepted; accepted is a time from 2026"],
    [{ unit: "eur" }, 'unit: "eur" is not accepted; accepted are usd, tokens, calls'],
    [{ reason: undefined }, "reason: missing"],
  ])("that is malformed (%o) is one clear error and changes nothing", async (change, message) => {
    const engine = await open(tight());
    const refused = engine.operator.grant(grantOf(change), LOCAL);
    await expect(refused).rejects.toMatchObject({ code: "admin.invalid" });
    await expect(refused).rejects.toThrow(message);
    expect(await engine.store.grants()).toEqual([]);
    expect(await admitted(engine, "a")).toBe(3);
  });
});

describe("a look", () => {
  test("at budgets shows every live instance, the fullest first", async () => {
    const budgets = [
      budgetOf("day", { limit: 100_000 }),
      budgetOf("berlin", { window: { kind: "calendar", unit: "day", zone: "Europe/Berlin" } }),
      budgetOf("user", { limit: 10_000, per: ["user", "team"] }),
      budgetOf("rolling", { limit: 20_000, window: { kind: "rolling", seconds: 600 } }),
      budgetOf("run", { limit: 50_000, per: ["user"], window: { kind: "run" } }),
      budgetOf("tokens", { limit: 3_000, unit: "tokens" }),
      budgetOf("other", { tenant: "globex" }),
    ];
    const engine = await open({ data: { budgets, principals: PRINCIPALS, velocity: NO_VELOCITY } });
    const { attribution } = intentOf("");
    const user = { ...attribution, user: "a|b" };
    const { id } = await engine.weir.decide(
      intentOf("a", { attribution: user, run: { id: "r/1" } }),
      LOCAL,
    );
    engine.clock.advance(30_000);
    await engine.weir.decide(intentOf("b"), LOCAL);
    await engine.weir.report(
      { decisionId: id, final: true, outcome: "ok", usage: { input: 1_000, output: 100 } },
      LOCAL,
    );
    const { budgets: found, total } = await engine.operator.budgets({ tenant: "acme" }, LOCAL);
    expect(total).toBe(7);
    expect(found.map(({ budget, per, usedPercent }) => [budget, usedPercent, per])).toEqual([
      ["tokens", 87, {}],
      ["user", 13, { team: "search", user: "" }],
      ["rolling", 9, {}],
      ["user", 5, { team: "search", user: "a|b" }],
      ["day", 2, {}],
      ["berlin", 1, {}],
      ["run", 1, { run: "r/1", user: "a|b" }],
    ]);
    const byId = new Map(found.map((status) => [status.budget, status]));
    const day = Date.UTC(2026, 10, 25);
    expect(byId.get("day")).toMatchObject({
      endsAtMs: day + 24 * HOUR_MS,
      held: 1_250,
      limit: 100_000,
      remaining: 98_300,
      settled: 450,
      startsAtMs: day,
      unit: "usd",
    });
    expect(byId.get("berlin")).toMatchObject({
      endsAtMs: day + 23 * HOUR_MS,
      startsAtMs: day - HOUR_MS,
    });
    expect(byId.get("rolling")).toMatchObject({
      endsAtMs: START_MS + 30_000,
      held: 1_250,
      settled: 450,
      startsAtMs: START_MS - 570_000,
    });
    expect(byId.get("run")).toMatchObject({ endsAtMs: 0, settled: 450, startsAtMs: 0 });
    engine.clock.advance(24 * HOUR_MS);
    const next = await engine.operator.budgets({ tenant: "acme" }, LOCAL);
    expect(next.budgets.map(({ budget, held }) => [budget, held])).toEqual([
      ["run", 0],
      ["berlin", 0],
      ["day", 0],
      ["rolling", 0],
      ["tokens", 0],
    ]);
  });

  test("at budgets lists no more than fit one answer, the fullest of them", async () => {
    const budgets = [budgetOf("user", { limit: 100, per: ["user"], unit: "calls" })];
    const engine = await open({ data: { budgets, principals: PRINCIPALS, velocity: NO_VELOCITY } });
    const { attribution } = intentOf("");
    const decideAs = (user: string, id: string) =>
      engine.weir.decide(intentOf(id, { attribution: { ...attribution, user } }), LOCAL);
    for (let user = 0; user <= LIMITS.listed; user += 1) await decideAs(`u${user}`, `a${user}`);
    await decideAs(`u${LIMITS.listed}`, "again");
    const { budgets: found, total } = await engine.operator.budgets({ tenant: "acme" }, LOCAL);
    expect([found.length, total]).toEqual([LIMITS.listed, LIMITS.listed + 1]);
    expect(found[0]).toMatchObject({ held: 2, per: { user: `u${LIMITS.listed}` } });
  });

  test("at velocity shows the busiest first, changes nothing, and leaves out what rests", async () => {
    const engine = await open();
    await engine.weir.decide(intentOf("a"), LOCAL);
    const { attribution } = intentOf("");
    for (const id of ["b", "c"]) {
      await engine.weir.decide(
        intentOf(id, { attribution: { ...attribution, feature: "other" } }),
        LOCAL,
      );
    }
    const before = stateOf(engine);
    engine.clock.advance(2_000);
    const { scopes } = await engine.operator.velocity({ tenant: "acme" }, LOCAL);
    expect(stateOf(engine)).toEqual(before);
    const team = scopes.find(({ scope }) => scope === "team:search");
    expect(team).toMatchObject({ inFlight: 3, kind: "team" });
    expect(team?.windows.map(({ armed, hot, name, rate }) => [name, rate, armed, hot])).toEqual([
      ["1s", 0, false, false],
      ["1m", 3 * 950_000, false, false],
      ["1h", 3 * 950_000, false, false],
    ]);
    const top = await engine.operator.velocity({ tenant: "acme", top: 2 }, LOCAL);
    expect(top.scopes).toEqual(scopes.slice(0, 2));
    expect(scopes.length).toBeGreaterThan(2);
    expect(await engine.operator.velocity({ tenant: "globex" }, LOCAL)).toMatchObject({
      scopes: [],
    });
  });
});
