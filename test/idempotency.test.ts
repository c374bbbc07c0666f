import { describe, expect, test } from "vitest";

import type { RawIntent } from "../engine/intent/intent.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import { budgetOf } from "./support/budgets.ts";
import { intentOf, LOCAL, type TestEngine } from "./support/engine.ts";
import { open } from "./support/opened.ts";
import { GatedLog, settleTurns } from "./support/ports.ts";
import { dumpBalances } from "./support/state-dump.ts";

const DEAR = {
  model: "anthropic:claude-sonnet-5-5",
  task: "code",
  tokens: { input: 80_000, outputMax: 8_000 },
};
const final = (decisionId: string) => ({
  decisionId,
  final: true,
  outcome: "ok",
  usage: { input: 9, output: 9 },
});

/** Calls until one is throttled; the intent of that one and its decision. */
async function untilThrottled(engine: TestEngine) {
  for (let count = 0; count < 200; count += 1) {
    const intent = intentOf(`v${count}`, DEAR);
    const decision = await engine.weir.decide(intent, LOCAL);
    if (decision.effect === "throttle") return { decision, intent };
  }
  return expect.unreachable("nothing was throttled");
}

describe("the same intent twice", () => {
  test("is one decision and one hold", async () => {
    const engine = await open();
    const first = await engine.weir.decide(intentOf("a"), LOCAL);
    const balances = await dumpBalances(engine.store);
    const second = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(second).toEqual({ ...first, replayed: true });
    expect(await dumpBalances(engine.store)).toEqual(balances);
    expect(engine.lines()).toHaveLength(1);
  });

  test("in flight at once joins the first, as often as it comes", async () => {
    const engine = await open();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => engine.weir.decide(intentOf("a"), LOCAL)),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(engine.lines()).toHaveLength(1);
  });

  test("in flight with other content is a conflict", async () => {
    const engine = await open();
    const first = engine.weir.decide(intentOf("a"), LOCAL);
    await expect(engine.weir.decide(intentOf("a", { task: "code" }), LOCAL)).rejects.toMatchObject({
      code: "intent.conflict",
    });
    expect((await first).effect).toBe("allow");
  });

  test("where the first fails, all that joined it fail alike, and a later one is decided anew", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({ ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }) });
    const log = gated as GatedLog;
    log.fails = ({ kind }) => kind === "decision";
    const answers = await Promise.allSettled(
      [1, 2, 3].map(() => engine.weir.decide(intentOf("a"), LOCAL)),
    );
    for (const answer of answers)
      expect(answer).toMatchObject({ reason: { code: "log.unavailable" } });
    log.fails = () => false;
    expect(await engine.weir.decide(intentOf("a"), LOCAL)).toMatchObject({
      effect: "allow",
      replayed: false,
    });
  });

  const others: readonly (readonly [string, Partial<RawIntent>])[] = [
    ["model", { model: "openai:gpt-5" }],
    ["tokens", { tokens: { input: 1_000, outputMax: 501 } }],
    ["data", { data: { sensitivity: "public" } }],
    ["labels", { labels: { k: "v" } }],
    ["run", { run: { id: "r" } }],
    ["deadline", { deadlineMs: 5 }],
    ["attribution", { attribution: { ...intentOf("").attribution, user: "ada" } }],
    ["service tier", { serviceTier: "batch" }],
    ["reason of the attempt", { attempt: { number: 1, reason: "x" } }],
  ];
  test.each(others)(
    "with other content (%s) is a conflict and touches nothing",
    async (_name, change) => {
      const engine = await open();
      await engine.weir.decide(intentOf("a"), LOCAL);
      const before = [await dumpBalances(engine.store), engine.lines().length];
      await expect(engine.weir.decide(intentOf("a", change), LOCAL)).rejects.toMatchObject({
        code: "intent.conflict",
      });
      expect([await dumpBalances(engine.store), engine.lines().length]).toEqual(before);
    },
  );

  test("written in another order of members is the same content", async () => {
    const engine = await open();
    const first = await engine.weir.decide(intentOf("a", { labels: { a: "1", b: "2" } }), LOCAL);
    const reversed = Object.fromEntries(
      Object.entries(intentOf("a", { labels: { b: "2", a: "1" } })).toReversed(),
    );
    expect(await engine.weir.decide(reversed, LOCAL)).toEqual({ ...first, replayed: true });
  });

  test("as the next attempt is another decision with its own hold", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day")] } });
    const first = await engine.weir.decide(intentOf("a"), LOCAL);
    const retry = await engine.weir.decide(
      intentOf("a", { attempt: { number: 2, reason: "user_retry" } }),
      LOCAL,
    );
    expect(retry).toMatchObject({ effect: "allow", replayed: false });
    expect(retry.id).not.toBe(first.id);
    expect(Object.values(await dumpBalances(engine.store))).toEqual(["held 2500000, settled 0"]);
  });

  test("a block is repeated with its reasons, without a hold", async () => {
    const engine = await open();
    const first = await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
    await engine.weir.idle();
    engine.clock.advance(100_000);
    const second = await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
    expect(second).toEqual({ ...first, replayed: true });
    expect(await dumpBalances(engine.store)).toEqual({});
  });
});

describe("after its end", () => {
  const ends: Readonly<Record<string, (engine: TestEngine, id: string) => Promise<unknown>>> = {
    "a final report": (engine, id) => engine.weir.report(final(id), LOCAL),
    "a cancel": (engine, id) => engine.weir.cancel(id, LOCAL),
    "its expiry": (engine) => {
      engine.clock.advance(200_000);
      return engine.weir.sweep();
    },
  };
  test.each(Object.entries(ends))("%s, the same intent is finished", async (_name, end) => {
    const engine = await open();
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    await end(engine, id);
    await expect(engine.weir.decide(intentOf("a"), LOCAL)).rejects.toMatchObject({
      code: "intent.finished",
    });
    const retry = await engine.weir.decide(intentOf("a", { attempt: { number: 2 } }), LOCAL);
    expect(retry.effect).toBe("allow");
  });

  test("the key is kept for the reservation's lifetime and ten minutes, then it is free", async () => {
    const engine = await open();
    const { expiresAtMs, id } = await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.weir.report(final(id), LOCAL);
    engine.clock.set(expiresAtMs + 600_000 - 1);
    await engine.weir.sweep();
    await expect(engine.weir.decide(intentOf("a"), LOCAL)).rejects.toMatchObject({
      code: "intent.finished",
    });
    engine.clock.set(expiresAtMs + 600_000 + 120_000);
    await engine.weir.sweep();
    expect(await engine.weir.decide(intentOf("a"), LOCAL)).toMatchObject({
      effect: "allow",
      replayed: false,
    });
  });

  test("a late report of an old decision leaves the key to the newer one", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day")] } });
    const old = await engine.weir.decide(intentOf("a"), LOCAL);
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    const newer = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(newer.id).not.toBe(old.id);
    expect(await engine.weir.report(final(old.id), LOCAL)).toMatchObject({
      flags: ["late"],
      status: "corrected",
    });
    expect(await engine.weir.decide(intentOf("a"), LOCAL)).toEqual({ ...newer, replayed: true });
    await engine.weir.sweep();
    expect(await engine.weir.decide(intentOf("a"), LOCAL)).toEqual({ ...newer, replayed: true });
  });
});

describe("a throttle", () => {
  test("is repeated until its time has come, then decided anew", async () => {
    const engine = await open();
    const { decision, intent } = await untilThrottled(engine);
    expect(decision.retryAfterMs).toBeGreaterThan(1);
    engine.clock.set(decision.decidedAtMs + decision.retryAfterMs - 1);
    expect(await engine.weir.decide(intent, LOCAL)).toEqual({ ...decision, replayed: true });
    engine.clock.set(decision.decidedAtMs + decision.retryAfterMs);
    const anew = await engine.weir.decide(intent, LOCAL);
    expect(anew).toMatchObject({ effect: "allow", replayed: false });
    expect(anew.id).not.toBe(decision.id);
    expect(await engine.weir.decide(intent, LOCAL)).toEqual({ ...anew, replayed: true });
  });

  test("with other content stays a conflict", async () => {
    const engine = await open();
    const { intent } = await untilThrottled(engine);
    await expect(engine.weir.decide({ ...intent, task: "plan" }, LOCAL)).rejects.toMatchObject({
      code: "intent.conflict",
    });
  });

  test("a throttled client that retries at the given time recovers, however often it is told to wait", async () => {
    const engine = await open();
    let { decision, intent } = await untilThrottled(engine);
    for (let count = 0; decision.effect === "throttle"; count += 1) {
      expect(count).toBeLessThan(3);
      engine.clock.advance(decision.retryAfterMs);
      intent = { ...intent, id: `again${count}` };
      decision = await engine.weir.decide(intent, LOCAL);
    }
    expect(decision.effect).toBe("allow");
  });
});

describe("an answer that could not be delivered", () => {
  test("gives its hold back, once", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day")] } });
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.weir.undelivered(decision);
    await engine.weir.undelivered(decision);
    expect(Object.values(await dumpBalances(engine.store))).toEqual([]);
    expect(verifyLedger(engine.lines(), await engine.store.balances())).toMatchObject({
      open: 0,
      problems: [],
    });
  });

  test("a repeated answer does not: the first may be at work", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day")] } });
    await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.weir.undelivered(await engine.weir.decide(intentOf("a"), LOCAL));
    expect(Object.values(await dumpBalances(engine.store))).toEqual(["held 1250000, settled 0"]);
  });
});

test("what is in flight is waited for", async () => {
  let gated: GatedLog | undefined;
  const engine = await open({ ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }) });
  const log = gated as GatedLog;
  log.shut = true;
  const answer = engine.weir.decide(
    intentOf("a", { attempt: { number: 2, reason: "content_filter" } }),
    LOCAL,
  );
  await settleTurns();
  let idle = false;
  const waiting = engine.weir.idle().then(() => (idle = true));
  await settleTurns();
  expect(idle).toBe(false);
  log.open();
  await waiting;
  expect((await answer).effect).toBe("block");
  expect(engine.lines().map(({ kind }) => kind)).toEqual(["decision", "entry"]);
});
