import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";

import { loadBundle } from "../adapters/bundles/folder-bundles.ts";
import type { Decision } from "../engine/decision/decision.ts";
import type { WeirError } from "../engine/errors.ts";
import type { RawIntent } from "../engine/intent/intent.ts";
import { verifyFolder } from "../adapters/serve/audit-verify.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import type { RawReport } from "../engine/ledger/report.ts";
import { LIMITS } from "../engine/limits.ts";
import { postedNanoUsd } from "../engine/money.ts";
import type { PolicyInput } from "../engine/policy/input.ts";
import type { Verdict } from "../engine/policy/verdict.ts";
import { openPriceBook } from "../engine/pricing/price-book.ts";
import type { Balance } from "../engine/ports.ts";
import { CanonicalText, canonicalJson } from "../engine/record/canonical.ts";
import type {
  DecisionRecord,
  EntryRecord,
  LogLine,
  ReportRecord,
} from "../engine/record/record.ts";
import { budgetOf, EVERY_KIND } from "./support/budgets.ts";
import {
  intentOf,
  linesOf,
  LOCAL,
  openTestEngine,
  type TestEngine,
  type TestEngineOptions,
} from "./support/engine.ts";
import { GatedLog, settleTurns } from "./support/ports.ts";
import { Random, testSeed } from "./support/random.ts";
import { dumpBalances, dumpState } from "./support/state-dump.ts";
import { Traffic } from "./support/traffic.ts";

const opened: TestEngine[] = [];

async function open(options: TestEngineOptions = {}): Promise<TestEngine> {
  const engine = await openTestEngine(options);
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

function decisionsOf(engine: TestEngine): DecisionRecord[] {
  return engine.lines().filter((line) => line.kind === "decision");
}

function entriesOf(engine: TestEngine, decisionId: string): EntryRecord[] {
  return engine
    .lines()
    .filter((line) => line.kind === "entry" && line.decision_id === decisionId) as EntryRecord[];
}

async function balanceOf(engine: TestEngine, budget: string): Promise<Balance> {
  const found = (await engine.store.balances()).filter((balance) => balance.budget === budget);
  expect(found).toHaveLength(1);
  return found[0] as Balance;
}

const NO_VELOCITY = { report_percent: 0, scopes: {} };
/** Ceiling of the standard test intent on gpt-5-mini, nano-USD. */
const CALL_NANO = 1_250_000n;

describe("invariant 1: no hard budget is exceeded at admission", () => {
  test("of hundreds of calls at once exactly as many are admitted as fit", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { limit: 125_000 })], velocity: NO_VELOCITY },
    });
    const decisions = await Promise.all(
      Array.from({ length: 400 }, (_, index) => engine.weir.decide(intentOf(`c${index}`), LOCAL)),
    );
    await engine.weir.idle();
    expect(decisions.filter(({ effect }) => effect === "allow")).toHaveLength(100);
    const blocked = decisions.filter(({ effect }) => effect === "block");
    expect(blocked).toHaveLength(300);
    for (const { reasons } of blocked) expect(reasons[0]?.code).toBe("budget.exhausted");
    expect(await balanceOf(engine, "day")).toMatchObject({ held: 100n * CALL_NANO, settled: 0n });
    for (const { reservation } of decisionsOf(engine)) expect(reservation.forced).toBe(false);
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 100, overdrawn: [], problems: [] });
  });

  test("holds on every budget or on none", async () => {
    const budgets = [
      budgetOf("wide", { limit: 10_000_000 }),
      budgetOf("narrow", { limit: 12_500 }),
      budgetOf("few", { limit: 3, unit: "calls" }),
    ];
    const engine = await open({ data: { budgets, velocity: NO_VELOCITY } });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => engine.weir.decide(intentOf(`c${index}`), LOCAL)),
    );
    await engine.weir.idle();
    expect(await balanceOf(engine, "few")).toMatchObject({ held: 3n });
    expect(await balanceOf(engine, "wide")).toMatchObject({ held: 3n * CALL_NANO });
    expect(await balanceOf(engine, "narrow")).toMatchObject({ held: 3n * CALL_NANO });
  });

  test("holds under random concurrent traffic, with restarts in between", async () => {
    const seed = testSeed("concurrent traffic");
    const random = new Random(seed);
    let engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const answered: Decision[] = [];
    for (let round = 0; round < 5; round += 1) {
      const work = Array.from({ length: 120 }, async (_, index) => {
        const decision = await engine.weir.decide(
          intentOf(`r${round}-${index}`, {
            attribution: { ...intentOf("").attribution, user: random.pick(["ada", "bo"]) },
            model: random.pick([
              "openai:gpt-5-mini",
              "openai:gpt-6.1-sol",
              "anthropic:claude-opus-5-5",
            ]),
            run: random.chance(0.3) ? { id: `run-${random.int(1, 5)}` } : undefined,
            task: random.pick(["chat", "plan"]),
            tokens: { input: random.int(1, 6_000), outputMax: random.int(1, 3_000) },
          }),
          LOCAL,
        );
        answered.push(decision);
        const roll = random.next();
        if (roll < 0.4) {
          const usage = { input: random.int(0, 6_000), output: random.int(0, 3_000) };
          await engine.weir.report(
            { decisionId: decision.id, final: true, outcome: "ok", usage },
            LOCAL,
          );
        } else if (roll < 0.6) await engine.weir.cancel(decision.id, LOCAL);
        if (roll > 0.97) {
          engine.clock.advance(random.int(1, 60_000));
          await engine.weir.sweep();
        }
        const overNow = (await engine.store.balances()).filter(
          ({ budget, held, settled }) => budget === "calls" && held + settled > 400n,
        );
        expect(overNow).toEqual([]);
      });
      await Promise.all(work);
      await engine.weir.idle();
      engine = await engine.reopen();
      opened.push(engine);
      expect(engine.recovery).toMatchObject({ differences: [], owed: [] });
    }
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    // A settlement above its hold may take a balance over the limit; an admission never does.
    expect(check.overdrawn, `seed ${seed}`).toEqual([]);
    expect(check.problems, `seed ${seed}`).toEqual([]);
    expect(new Set(answered.map(({ effect }) => effect))).toContain("allow");
  });

  test("a reroute swaps the hold, and the sum of both models is never held", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { limit: 5_000 })], velocity: NO_VELOCITY },
    });
    // The model asked for costs more than the budget has; a cheaper one is suitable and fits.
    const decision = await engine.weir.decide(
      intentOf("dear", { model: "openai:gpt-6.1-sol", tokens: { input: 1_000, outputMax: 500 } }),
      LOCAL,
    );
    expect(decision.effect).toBe("reroute");
    const [record] = decisionsOf(engine);
    const held = record?.reservation.holds.find(({ budget }) => budget === "day");
    expect(BigInt(held?.amount ?? -1)).toBe((await balanceOf(engine, "day")).held);
    expect(BigInt(held?.amount ?? -1)).toBe(BigInt(decision.estimate.ceilingMicroUsd) * 1_000n);
    expect(
      record?.reservation.tried.filter(({ held: was }) => was).map(({ model }) => model),
    ).toEqual([decision.model]);
  });
});

describe("invariant 2: postings are the balances, and every hold ends exactly once", () => {
  test("after traffic of every kind the sums agree and nothing is left open once all has expired", async () => {
    const seed = testSeed("postings");
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    for (let round = 0; round < 4; round += 1) {
      await traffic.run(250);
      await engine.weir.idle();
      const check = verifyLedger(engine.lines(), await engine.store.balances());
      expect(check.problems, `seed ${seed}`).toEqual([]);
      expect(check.overdrawn, `seed ${seed}`).toEqual([]);
      expect(check.open).toBe(await engine.store.openReservations());
    }
    engine.clock.advance(600_000);
    while ((await engine.weir.sweep()) > 0);
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 0, problems: [] });
    for (const { held } of check.balances.values()) expect(held).toBe(0n);
    const tried = [
      "allow",
      "reroute",
      "block",
      "report settled",
      "report corrected",
      "report posted",
      "expired",
    ];
    for (const what of tried) expect([...traffic.effects.keys()], `seed ${seed}`).toContain(what);
  });

  test("an actual above the hold is charged in full, flagged, and seen by the next call", async () => {
    const budgets = [budgetOf("day", { limit: 10_000 })];
    const engine = await open({ data: { budgets, velocity: NO_VELOCITY } });
    const first = await engine.weir.decide(intentOf("one"), LOCAL);
    expect(first.effect).toBe("allow");
    // 1,000 in at 0.25 and 4,900 out at 2 USD per million: 10,050 micro-USD.
    const usage = { input: 1_000, output: 4_900 };
    const result = await engine.weir.report(
      { decisionId: first.id, final: true, outcome: "ok", usage },
      LOCAL,
    );
    expect(result).toMatchObject({
      chargedNanoUsd: 10_050_000n,
      flags: ["overrun"],
      status: "settled",
    });
    expect(await balanceOf(engine, "day")).toMatchObject({ held: 0n, settled: 10_050_000n });
    expect(entriesOf(engine, first.id).map(({ flags }) => flags)).toEqual([["overrun"]]);
    const next = await engine.weir.decide(intentOf("two"), LOCAL);
    expect(next.effect).toBe("block");
    expect(next.reasons[0]?.params["remaining_micro_usd"]).toBe(-50);
  });
});

describe("invariant 3: no answer leaves before its record is in the log", () => {
  test("decide, report and cancel wait for their lines", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({ ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }) });
    const log = gated as GatedLog;
    const allowed = await engine.weir.decide(intentOf("first"), LOCAL);
    const other = await engine.weir.decide(intentOf("other"), LOCAL);
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      allow: () => engine.weir.decide(intentOf("second"), LOCAL),
      block: () => engine.weir.decide(intentOf("third", { model: "openai:none" }), LOCAL),
      refusal: () => engine.weir.decide({ id: "bad" }, LOCAL).catch(() => undefined),
      report: () =>
        engine.weir.report(
          { decisionId: allowed.id, final: true, outcome: "ok", usage: { input: 1, output: 1 } },
          LOCAL,
        ),
      cancel: () => engine.weir.cancel(other.id, LOCAL),
    };
    for (const [name, call] of Object.entries(calls)) {
      await engine.weir.idle();
      const before = engine.lines().length;
      log.shut = true;
      let answered = false;
      const answer = call().then(() => (answered = true));
      await settleTurns();
      expect(answered, `${name} was answered without its line`).toBe(false);
      expect(log.waiting).toBeGreaterThan(0);
      expect(engine.lines()).toHaveLength(before);
      log.open();
      await answer;
      expect(engine.lines().length).toBeGreaterThan(before);
    }
  });

  test("where the record cannot be written nothing is answered, held or charged, and a retry decides anew", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({
      data: { budgets: EVERY_KIND },
      ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }),
    });
    const log = gated as GatedLog;
    const run = { fingerprint: "f", id: "run-1" };
    await engine.weir.decide(intentOf("before", { run }), LOCAL);
    const balances = await dumpBalances(engine.store);
    log.fails = (line) => line.kind === "decision";
    for (const model of ["openai:gpt-5-mini", "openai:gpt-6.1-sol", "openai:none"]) {
      const answer = engine.weir.decide(intentOf(`x-${model}`, { model, run }), LOCAL);
      await expect(answer).rejects.toMatchObject({ code: "log.unavailable" });
    }
    await engine.weir.idle();
    expect(await dumpBalances(engine.store)).toEqual(balances);
    expect(await engine.store.openReservations()).toBe(1);
    expect(engine.store.tenant("acme").runs.runs.get("run-1")?.steps).toBe(1);
    expect(decisionsOf(engine)).toHaveLength(1);
    log.fails = () => false;
    const retried = await engine.weir.decide(intentOf("x-openai:gpt-5-mini", { run }), LOCAL);
    expect(retried).toMatchObject({ effect: "allow", replayed: false });
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 2, problems: [] });
  });

  test("a process killed at any instant loses no answer and doubles none", async () => {
    const seed = testSeed("kill");
    const random = new Random(seed);
    const folder = mkdtempSync(join(tmpdir(), "weir-kill-"));
    const printed: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const script = join(import.meta.dirname, "support/killed-child.ts");
      const child = spawn(process.execPath, [script, folder, String(round), String(seed)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      // Killed after a random number of answers, not after a time: at whatever the child is doing then.
      const answers = random.int(1, 120);
      const closed = once(child, "close");
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.split("\n").length > answers) child.kill("SIGKILL");
      });
      await closed;
      expect(child.signalCode, output.slice(-300)).toBe("SIGKILL");
      printed.push(...output.split("\n").slice(1, -1));
      const proof = verifyFolder(folder, { keys: [], witness: null }, false);
      expect(proof.problems, `seed ${seed}, round ${round}`).toEqual([]);
      expect(proof.checkpoints).toBeGreaterThan(0);
    }
    const engine = await open({ data: { budgets: EVERY_KIND }, folder, seed: "after" });
    expect(engine.recovery.differences, `seed ${seed}`).toEqual([]);
    const lines = engine.lines();
    const effects = new Map(decisionsOf(engine).map(({ decision, id }) => [id, decision.effect]));
    const reports = new Set(
      lines.flatMap((line) =>
        line.kind === "report" ? [`${line.decision_id} ${line.sequence}`] : [],
      ),
    );
    // The id of a report's entry goes on with a digest of its figures.
    const entries = new Set(
      lines.flatMap((line) =>
        line.kind === "entry" ? [line.id.split(":").slice(0, 3).join(":")] : [],
      ),
    );
    for (const line of printed) {
      const [what, id, detail] = line.split(" ") as [string, string, string];
      if (what === "decided") expect(effects.get(id), line).toBe(detail);
      if (what === "reported") expect(reports.has(`${id} ${detail}`), line).toBe(true);
      if (what === "reported") expect(entries.has(`${id}:report:${detail}`), line).toBe(true);
      if (what === "cancelled") expect(entries.has(`${id}:released`), line).toBe(true);
    }
    expect(printed.filter((line) => line.startsWith("decided")).length).toBeGreaterThan(30);
    const check = verifyLedger(lines, await engine.store.balances());
    expect(check.problems, `seed ${seed}`).toEqual([]);
    expect(check.overdrawn).toEqual([]);
    expect(check.open).toBe(await engine.store.openReservations());
    rmSync(folder, { force: true, recursive: true });
  });
});

describe("invariant 4: each recorded input gives its verdict again, bit for bit", () => {
  test("with the bundle kept under its digest, in another process's memory", async () => {
    const seed = testSeed("replay");
    const engine = await open({ seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    await traffic.run(400);
    await engine.weir.idle();
    const records = decisionsOf(engine);
    let judged = 0;
    for (const record of records) {
      const bundle = bundleFor(engine, record.bundle.digest);
      expect(record.evaluations.length).toBeGreaterThan(0);
      for (const { input, verdict } of record.evaluations) {
        expect((input as PolicyInput).now_ms).toBe(record.at_ms);
        const again = bundle.policy.evaluate(canonicalJson(input));
        expect(again.text?.text ?? "null").toBe(canonicalJson(verdict));
        judged += 1;
      }
    }
    expect(judged).toBeGreaterThan(records.length);
  });

  const bundles = new Map<string, ReturnType<typeof loadBundle>>();
  function bundleFor(engine: TestEngine, digest: string) {
    const bundle = bundles.get(digest) ?? loadBundle(join(engine.folder, "bundles", digest));
    expect(bundle.digest).toBe(digest);
    bundles.set(digest, bundle);
    return bundle;
  }
});

describe("invariant 5: a rerouted call would have been allowed had it been asked for directly", () => {
  test("each reroute, asked directly in the same state, is allowed and holds the same", async () => {
    const seed = testSeed("reroutes");
    const random = new Random(seed);
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, random, { clockSteps: false });
    let rerouted = 0;
    for (let count = 0; count < 36; count += 1) {
      await traffic.run(4);
      const raw = intentOf(`probe-${count}`, {
        data: { sensitivity: random.pick(["internal", "confidential"]) },
        model: random.pick(["openai:gpt-6.1-sol", "anthropic:claude-opus-5-5", "openai:gpt-5"]),
        task: random.pick(["chat", "classify", "code"]),
        tokens: { input: random.int(1, 3_000), outputMax: random.int(1, 2_000) },
      });
      const twin = await engine.openCopy();
      opened.push(twin);
      const decision = await engine.weir.decide(raw, LOCAL);
      if (decision.effect !== "reroute") {
        await dispose(twin);
        continue;
      }
      rerouted += 1;
      const direct = await twin.weir.decide({ ...raw, model: decision.model }, LOCAL);
      // Asked directly it may be sent on to a still cheaper model, but nothing stands in its way.
      const [own] = recordOf(twin, direct.id).evaluations;
      expect(own?.verdict, `seed ${seed}`).toMatchObject({ effect: "allow" });
      if (direct.effect === "allow") {
        const record = recordOf(engine, decision.id);
        expect(recordOf(twin, direct.id).reservation.holds).toEqual(record.reservation.holds);
        expect(direct.obligations).toEqual(decision.obligations);
      }
      await dispose(twin);
    }
    expect(rerouted, `seed ${seed}`).toBeGreaterThan(10);
  });

  test("an alternative that the policy names but would not allow is passed over, whatever fits", async () => {
    const verdict = (effect: string, routes: readonly string[]) => {
      const value = {
        effect,
        obligations: {},
        reasons: [],
        retry_after_ms: effect === "throttle" ? 5 : 0,
        routes,
      };
      return {
        fault: null,
        text: new CanonicalText(canonicalJson(value)),
        verdict: value as unknown as Verdict,
      };
    };
    const said: Readonly<Record<string, readonly [string, readonly string[]]>> = {
      "openai:gpt-5-mini": ["throttle", []],
      "openai:gpt-6-luna": ["block", ["openai:gpt-5-nano"]],
      "openai:gpt-6.1-sol": [
        "block",
        ["openai:gpt-6.1-terra", "openai:gpt-6-luna", "openai:none", "mistral:mistral-large-4"],
      ],
      "openai:gpt-6.1-terra": ["throttle", []],
    };
    const evaluate = (text: string) => {
      const { intent } = JSON.parse(text) as PolicyInput;
      return verdict(...(said[intent.model] ?? (["allow", []] as const)));
    };
    const engine = await open({
      ports: ({ bundles }) => {
        const bundle = { ...bundles.current(), policy: { evaluate } };
        return { bundles: { byDigest: () => bundle, current: () => bundle } };
      },
    });
    // Three at most are tried; a name that is no route of the model asked for is none of them.
    const decision = await engine.weir.decide(
      intentOf("a", { model: "openai:gpt-6.1-sol" }),
      LOCAL,
    );
    expect(decision).toMatchObject({ effect: "reroute", model: "mistral:mistral-large-4" });
    const models = decisionsOf(engine)[0]?.evaluations.map(({ model }) => model);
    expect(models).toEqual([
      "openai:gpt-6.1-sol",
      "openai:gpt-6.1-terra",
      "openai:gpt-6-luna",
      "mistral:mistral-large-4",
    ]);
  });

  test("the facts an alternative is judged on are those of a direct call", async () => {
    const engine = await open();
    const twin = await openTestEngine();
    opened.push(twin);
    // A retry, so that the velocity windows and what was attempted in them are told to the policy.
    const raw = intentOf("sol", {
      attempt: { number: 2, reason: "timeout" },
      data: { sensitivity: "confidential" },
      model: "openai:gpt-6.1-sol",
    });
    const decision = await engine.weir.decide(raw, LOCAL);
    expect(decision.effect).toBe("reroute");
    const direct = await twin.weir.decide({ ...raw, model: decision.model }, LOCAL);
    const judged = recordOf(engine, decision.id).evaluations.at(-1);
    expect(judged?.model).toBe(decision.model);
    expect(judged?.input).toEqual(recordOf(twin, direct.id).evaluations[0]?.input);
  });

  function recordOf(engine: TestEngine, id: string): DecisionRecord {
    return decisionsOf(engine).find((record) => record.id === id) as DecisionRecord;
  }

  async function dispose(engine: TestEngine): Promise<void> {
    opened.splice(opened.indexOf(engine), 1);
    await engine.close();
  }
});

describe("invariant 6: shadow changes the answer, never the verdict in the record", () => {
  const shadowed = {
    block: intentOf("block", { model: "openai:no-such-model" }),
    reroute: intentOf("reroute", { model: "openai:gpt-6.1-sol" }),
    allow: intentOf("allow"),
  };

  test("the answer is allow, the verdict is recorded, the asked model is held", async () => {
    const shadow = await open({ mode: "shadow" });
    const enforce = await open();
    for (const [name, raw] of Object.entries(shadowed)) {
      const answer = await shadow.weir.decide(raw, LOCAL);
      const real = await enforce.weir.decide(raw, LOCAL);
      expect(answer, name).toMatchObject({
        effect: "allow",
        mode: "shadow",
        model: raw.model,
        obligations: {},
      });
      // What would be tried is not tried, so a reroute shows as what the policy said of the model asked for.
      const [verdict] = decisionsOf(shadow)
        .slice(-1)
        .map(({ evaluations }) => evaluations[0]?.verdict);
      const [realVerdict] = decisionsOf(enforce)
        .slice(-1)
        .map(({ evaluations }) => evaluations[0]?.verdict);
      expect(verdict, name).toEqual(realVerdict);
      expect(answer.wouldBe, name).toBe(name === "reroute" ? "allow" : real.effect);
      expect(answer.expiresAtMs, name).toBeGreaterThan(0);
      const record = decisionsOf(shadow).at(-1) as DecisionRecord;
      expect(record.reservation.held).toBe(true);
      expect(record.reservation.tried.map(({ model }) => model)).toEqual([raw.model]);
    }
  });

  test("money follows what runs: held by force where it does not fit, and marked", async () => {
    const budgets = [budgetOf("day", { limit: 1_000 })];
    const engine = await open({ data: { budgets, velocity: NO_VELOCITY }, mode: "shadow" });
    const decision = await engine.weir.decide(intentOf("one"), LOCAL);
    expect(decision).toMatchObject({ admission: "forced", effect: "allow", wouldBe: "block" });
    expect(await balanceOf(engine, "day")).toMatchObject({ held: CALL_NANO });
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 1, overdrawn: [], problems: [] });
    const reopened = await engine.reopen();
    opened.push(reopened);
    expect(await balanceOf(reopened, "day")).toMatchObject({ held: CALL_NANO });
  });

  test("a tenant in shadow is, the others are not", async () => {
    const modes = { rules: {}, tenants: { acme: "shadow" } } as const;
    const engine = await open({ data: { modes } });
    const there = await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
    expect(there).toMatchObject({ effect: "allow", mode: "shadow", wouldBe: "block" });
    const attribution = {
      costCenter: "gx-1",
      environment: "prod",
      feature: "f",
      service: "s",
      team: "platform",
      tenant: "globex",
    };
    const here = await engine.weir.decide(
      intentOf("b", { attribution, model: "openai:none" }),
      LOCAL,
    );
    expect(here).toMatchObject({ effect: "block", mode: "enforce", wouldBe: null });
  });

  test("a freeze, a refusal and malformed input are never in shadow", async () => {
    const engine = await open({ mode: "shadow" });
    await engine.store.freeze("acme", { reason: "incident", scope: "team:search" });
    const frozen = await engine.weir.decide(intentOf("frozen"), LOCAL);
    expect(frozen).toMatchObject({ effect: "block", expiresAtMs: 0, wouldBe: null });
    expect(frozen.reasons[0]).toMatchObject({ code: "freeze.active" });
    expect(await engine.store.balances()).toEqual([]);
    await expect(
      engine.weir.decide(intentOf("x"), { principal: "support-service" }),
    ).rejects.toMatchObject({
      code: "auth.denied",
    });
    await expect(engine.weir.decide(intentOf(""), LOCAL)).rejects.toMatchObject({
      code: "intent.invalid",
    });
  });

  test("a platform-wide freeze stops every tenant, and lifting it lets calls through", async () => {
    const engine = await open();
    await engine.store.freeze("*", { reason: "all hands", scope: "*" });
    expect(await engine.weir.decide(intentOf("a"), LOCAL)).toMatchObject({ effect: "block" });
    await engine.store.unfreeze("*", "*");
    expect(await engine.weir.decide(intentOf("b"), LOCAL)).toMatchObject({ effect: "allow" });
  });
});

describe("invariant 7: nobody claims an attribution that is not theirs", () => {
  const SEARCH = { principal: "search-service" };
  const STRANGER = { principal: "support-service" };

  test("another team or tenant is refused before any state is touched", async () => {
    const engine = await open();
    await engine.weir.decide(intentOf("mine"), SEARCH);
    const before = [
      await dumpBalances(engine.store),
      dumpState(engine.store, [], engine.clock.nowMs()),
    ];
    const refused: readonly (readonly [RawIntent, string])[] = [
      [intentOf("x"), STRANGER.principal],
      [
        intentOf("x", { attribution: { ...intentOf("").attribution, tenant: "globex" } }),
        SEARCH.principal,
      ],
      [
        intentOf("x", { attribution: { ...intentOf("").attribution, team: "support" } }),
        SEARCH.principal,
      ],
      [intentOf("x"), "nobody"],
      [intentOf("x"), "__proto__"],
      [intentOf("x"), "constructor"],
      [intentOf("x"), ""],
    ];
    for (const [raw, principal] of refused) {
      await expect(engine.weir.decide(raw, { principal }), principal).rejects.toMatchObject({
        code: "auth.denied",
      });
    }
    expect([
      await dumpBalances(engine.store),
      dumpState(engine.store, [], engine.clock.nowMs()),
    ]).toEqual(before);
    const rejected = engine.lines().filter((line) => line.kind === "rejected");
    expect(rejected).toHaveLength(refused.length);
    expect(JSON.stringify(rejected)).not.toContain("answers");
    expect(decisionsOf(engine)).toHaveLength(1);
  });

  test("to a stranger another tenant's decision does not exist", async () => {
    const engine = await open();
    const decision = await engine.weir.decide(intentOf("mine"), SEARCH);
    const before = [engine.lines().length, await dumpBalances(engine.store)];
    const stranger = { principal: "platform-service" };
    const report = {
      decisionId: decision.id,
      final: true,
      outcome: "ok",
      usage: { input: 9, output: 9 },
    };
    await expect(engine.weir.report(report, stranger)).rejects.toMatchObject({
      code: "decision.not_found",
    });
    await expect(engine.weir.cancel(decision.id, stranger)).rejects.toMatchObject({
      code: "decision.not_found",
    });
    const message = async (call: Promise<unknown>) =>
      call.catch((error: WeirError) => error.message);
    const made = `${decision.id.slice(0, 20)}${"0".repeat(32)}`;
    // The same words as for an id that was never given out, so that nothing is learnt by asking.
    expect((await message(engine.weir.cancel(decision.id, stranger))) as string).toBe(
      ((await message(engine.weir.cancel(made, stranger))) as string).replace(made, decision.id),
    );
    expect([engine.lines().length, await dumpBalances(engine.store)]).toEqual(before);
  });

  test("an empty field is not a claim, and the policy still judges it", async () => {
    const engine = await open();
    const attribution = { ...intentOf("").attribution, team: "" };
    const decision = await engine.weir.decide(intentOf("x", { attribution }), SEARCH);
    expect(decision).toMatchObject({ effect: "block" });
    expect(decision.reasons.map(({ code }) => code)).toContain("attribution.missing");
  });

  test("the same intent id of another principal is another intent", async () => {
    const engine = await open();
    const one = await engine.weir.decide(intentOf("same"), SEARCH);
    const other = await engine.weir.decide(intentOf("same", { task: "code" }), LOCAL);
    expect(other.replayed).toBe(false);
    expect(other.id).not.toBe(one.id);
  });
});

describe("invariant 8: every input has a limit, and over it there is one clear error", () => {
  const text = (length: number): string => "x".repeat(length);
  const attributed = (field: string) => (value: unknown) => ({
    attribution: { ...intentOf("").attribution, [field]: value },
  });
  const inRun = (field: string) => (value: unknown) => ({ run: { id: "r", [field]: value } });
  const labels = (count: number, key = "k", value = "v") => ({
    labels: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`${key}${index}`, value]),
    ),
  });
  const { idChars, wordChars } = LIMITS;

  /** Field, what makes it, the most that is accepted, the least that is not. */
  const INTENT: readonly (readonly [
    string,
    (value: never) => Partial<RawIntent>,
    unknown,
    unknown,
  ])[] = [
    ["id", (id) => ({ id }), text(idChars), text(idChars + 1)],
    ["model", (model) => ({ model }), `a:${text(idChars - 2)}`, `a:${text(idChars - 1)}`],
    ["task", (task) => ({ task }), text(wordChars), text(wordChars + 1)],
    ["release", (release) => ({ release }), text(idChars), text(idChars + 1)],
    ["prompt.id", (id) => ({ prompt: { id } }), text(idChars), text(idChars + 1)],
    [
      "prompt.version",
      (version) => ({ prompt: { version } }),
      text(wordChars),
      text(wordChars + 1),
    ],
    ["attribution.tenant", attributed("tenant"), text(idChars), text(idChars + 1)],
    ["attribution.team", attributed("team"), text(idChars), text(idChars + 1)],
    ["attribution.feature", attributed("feature"), text(idChars), text(idChars + 1)],
    ["attribution.service", attributed("service"), text(idChars), text(idChars + 1)],
    ["attribution.user", attributed("user"), text(idChars), text(idChars + 1)],
    ["attribution.cost_center", attributed("costCenter"), text(idChars), text(idChars + 1)],
    ["attribution.environment", attributed("environment"), text(idChars), text(idChars + 1)],
    ["attribution.customer", attributed("customer"), text(idChars), text(idChars + 1)],
    ["run.id", (id) => ({ run: { id } }), text(idChars), text(idChars + 1)],
    ["run.parent", inRun("parent"), text(idChars), text(idChars + 1)],
    ["run.fingerprint", inRun("fingerprint"), text(idChars), text(idChars + 1)],
    ["run.step", inRun("step"), LIMITS.runStep, LIMITS.runStep + 1],
    ["run.depth", inRun("depth"), LIMITS.runDepth, LIMITS.runDepth + 1],
    ["attempt.number", (number) => ({ attempt: { number } }), LIMITS.attempt, LIMITS.attempt + 1],
    ["attempt.reason", (reason) => ({ attempt: { reason } }), text(wordChars), text(wordChars + 1)],
    ["attempt.retry_of", (retryOf) => ({ attempt: { retryOf } }), text(idChars), text(idChars + 1)],
    ["tokens.input", (input) => ({ tokens: { input } }), LIMITS.tokens, LIMITS.tokens + 1],
    [
      "tokens.input_p95",
      (inputP95) => ({ tokens: { input: 1, inputP95 } }),
      LIMITS.tokens,
      LIMITS.tokens + 1,
    ],
    [
      "tokens.output_max",
      (outputMax) => ({ tokens: { input: 1, outputMax } }),
      LIMITS.tokens,
      LIMITS.tokens + 1,
    ],
    ["tokens.n", (n) => ({ tokens: { input: 1, n } }), LIMITS.answers, LIMITS.answers + 1],
    ["deadline_ms", (deadlineMs) => ({ deadlineMs }), LIMITS.deadlineMs, LIMITS.deadlineMs + 1],
    [
      "data.residency",
      (residency) => ({ data: { residency } }),
      text(wordChars),
      text(wordChars + 1),
    ],
    [
      "data.classes[0]",
      (one) => ({ data: { classes: [one] } }),
      text(wordChars),
      text(wordChars + 1),
    ],
    ["labels", (count) => labels(count), LIMITS.labels, LIMITS.labels + 1],
    ["labels", (key) => labels(1, key), text(LIMITS.labelKeyChars - 1), text(LIMITS.labelKeyChars)],
    [
      "labels.k0",
      (value) => labels(1, "k", value),
      text(LIMITS.labelValueChars),
      text(LIMITS.labelValueChars + 1),
    ],
    [
      "data.classes",
      (count) => ({ data: { classes: Array.from({ length: count }, () => "pii") } }),
      LIMITS.dataClasses,
      LIMITS.dataClasses + 1,
    ],
  ];

  test.each(INTENT)("%s", async (field, change, most, over) => {
    const engine = await open();
    const make = (value: unknown) => intentOf("limit", change(value as never));
    expect((await engine.weir.decide(make(most), LOCAL)).replayed).toBe(false);
    const before = [
      await dumpBalances(engine.store),
      dumpState(engine.store, [], engine.clock.nowMs()),
    ];
    const error = await refusal(engine.weir.decide(make(over), LOCAL));
    expect(error).toMatchObject({ code: "intent.invalid", violations: [{ field }] });
    expectClear(error, field, over);
    expect([
      await dumpBalances(engine.store),
      dumpState(engine.store, [], engine.clock.nowMs()),
    ]).toEqual(before);
    expect(engine.lines().at(-1)).toMatchObject({
      code: "intent.invalid",
      fields: [field],
      kind: "rejected",
    });
  });

  const REPORT: readonly (readonly [
    string,
    (value: never) => Partial<RawReport>,
    unknown,
    unknown,
  ])[] = [
    ["decision_id", (decisionId) => ({ decisionId }), "", text(idChars + 1)],
    ["model", (model) => ({ model }), text(idChars), text(idChars + 1)],
    ["sequence", (sequence) => ({ sequence }), LIMITS.reportSequence, LIMITS.reportSequence + 1],
    [
      "usage.input",
      (input) => ({ usage: { input } }),
      LIMITS.reportedTokens,
      LIMITS.reportedTokens + 1,
    ],
    [
      "usage.output",
      (output) => ({ usage: { output } }),
      LIMITS.reportedTokens,
      LIMITS.reportedTokens + 1,
    ],
    [
      "usage.cache_read",
      (cacheRead) => ({ usage: { cacheRead, input: LIMITS.reportedTokens } }),
      LIMITS.reportedTokens,
      LIMITS.reportedTokens + 1,
    ],
    [
      "usage.reasoning",
      (reasoning) => ({ usage: { output: LIMITS.reportedTokens, reasoning } }),
      LIMITS.reportedTokens,
      LIMITS.reportedTokens + 1,
    ],
  ];

  test.each(REPORT)("report: %s", async (field, change, most, over) => {
    const engine = await open();
    const { id } = await engine.weir.decide(intentOf("limit"), LOCAL);
    const make = (value: unknown): RawReport => ({
      decisionId: id,
      final: true,
      outcome: "ok",
      usage: { input: 1, output: 1 },
      ...change(value as never),
    });
    const before = [engine.lines().length, await dumpBalances(engine.store)];
    const error = await refusal(engine.weir.report(make(over), LOCAL));
    expect(error).toMatchObject({ code: "report.invalid", violations: [{ field }] });
    expectClear(error, field, over);
    expect([engine.lines().length, await dumpBalances(engine.store)]).toEqual(before);
    if (most !== "") expect((await engine.weir.report(make(most), LOCAL)).status).toBe("settled");
  });

  test("counts are whole numbers that a double holds, whatever the decoder made of them", async () => {
    const engine = await open();
    for (const input of [-1, 1.5, Number.NaN, Infinity, "12", 12n, 2n ** 60n, true, [], {}]) {
      const error = await refusal(engine.weir.decide(intentOf("n", { tokens: { input } }), LOCAL));
      expect(
        error,
        `${typeof input} ${JSON.stringify(typeof input === "bigint" ? 0 : input)}`,
      ).toMatchObject({
        code: "intent.invalid",
        violations: [{ field: "tokens.input" }],
      });
    }
    expect(await engine.store.balances()).toEqual([]);
  });

  test("every wrong field is named in one error", async () => {
    const engine = await open();
    const error = await refusal(
      engine.weir.decide({ data: { sensitivity: "secret" }, labels: [] as never }, LOCAL),
    );
    expect(error.code).toBe("intent.invalid");
    expect(error.violations.map(({ field }) => field).toSorted()).toEqual([
      "attribution.tenant",
      "data.sensitivity",
      "id",
      "labels",
      "model",
      "operation",
      "tokens.input",
    ]);
    expect(error.message).toContain("(and 6 more)");
  });

  test("more decisions in flight than accepted are refused, and nothing of them is held", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({
      data: { budgets: [budgetOf("day")], velocity: NO_VELOCITY },
      inFlightMax: 3,
      ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }),
    });
    const log = gated as GatedLog;
    log.shut = true;
    const answers = [1, 2, 3].map((index) => engine.weir.decide(intentOf(`c${index}`), LOCAL));
    await settleTurns();
    await expect(engine.weir.decide(intentOf("c4"), LOCAL)).rejects.toMatchObject({
      code: "server.overloaded",
    });
    log.open();
    expect(await Promise.all(answers)).toHaveLength(3);
    expect(await balanceOf(engine, "day")).toMatchObject({ held: 3n * CALL_NANO });
  });

  async function refusal(call: Promise<unknown>): Promise<WeirError> {
    return call.then(
      () => expect.unreachable("the call was accepted"),
      (error: WeirError) => error,
    ) as Promise<WeirError>;
  }

  /** The message says what was sent and what is accepted. */
  function expectClear(error: WeirError, field: string, over: unknown): void {
    const [violation] = error.violations;
    expect(error.message).toContain(field);
    const size = typeof over === "string" ? String(over.length) : String(over);
    expect(violation?.description).toMatch(/accepted|from \d+ to \d+/);
    if (field !== "labels" || typeof over === "number")
      expect(violation?.description).toContain(size);
  }
});

describe("invariant 9: money is integer, rounded once", () => {
  const seed = testSeed("money");
  const price = fc.integer({ max: 1_000_000_000, min: 0 });
  const tokens = fc.integer({ max: 150_000_000, min: 0 });

  test("a settlement posts the exact cost, rounded up to a nano-USD once", async () => {
    const engine = await open();
    const model = "openai:gpt-5-mini";
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          input: price,
          output: price,
          read: price,
          reasoning: price,
          w1: price,
          w5: price,
        }),
        fc.record({
          plain: tokens,
          read: tokens,
          reasoning: tokens,
          visible: tokens,
          w1: tokens,
          w5: tokens,
        }),
        fc.integer({ max: 100_000, min: 0 }),
        async (prices, counts, perRequest) => {
          const row = {
            above_tokens: 0,
            from: "2026-01-01",
            micro_usd_per_mtok: {
              cache_read: prices.read,
              cache_write_1h: prices.w1,
              cache_write_5m: prices.w5,
              input: prices.input,
              output: prices.output,
              reasoning: prices.reasoning,
            },
            micro_usd_per_request: perRequest,
            model,
            source: "test",
            tier: "standard" as const,
            to: null,
          };
          const bundle = engine.ports.bundles.current();
          const priceBook = openPriceBook({ currency: "USD", rows: [row], version: "test" });
          const changed = { ...bundle, pricing: { ...bundle.pricing, priceBook } };
          const budgets = (await import("../engine/reservation/budgets.ts")).planBudgets([
            budgetOf("all", { limit: LIMITS.budgetMicroUsd }),
            budgetOf("soft", { mode: "soft" }),
          ]);
          const money = await openTestEngine({
            ports: () => ({
              bundles: {
                byDigest: () => ({ ...changed, budgets }),
                current: () => ({ ...changed, budgets }),
              },
              log: { append: () => Promise.resolve() },
            }),
          });
          const decision = await money.weir.decide(
            intentOf("m", { tokens: { input: 10, outputMax: 10 } }),
            LOCAL,
          );
          const usage = {
            cacheRead: counts.read,
            cacheWrite1h: counts.w1,
            cacheWrite5m: counts.w5,
            input: counts.plain + counts.read + counts.w1 + counts.w5,
            output: counts.visible + counts.reasoning,
            reasoning: counts.reasoning,
          };
          const result = await money.weir.report(
            { decisionId: decision.id, final: true, outcome: "ok", usage },
            LOCAL,
          );
          const exact =
            BigInt(counts.plain) * BigInt(prices.input) +
            BigInt(counts.read) * BigInt(prices.read) +
            BigInt(counts.w1) * BigInt(prices.w1) +
            BigInt(counts.w5) * BigInt(prices.w5) +
            BigInt(counts.visible) * BigInt(prices.output) +
            BigInt(counts.reasoning) * BigInt(prices.reasoning) +
            BigInt(perRequest) * 1_000_000n;
          const posted = exact / 1_000n + (exact % 1_000n === 0n ? 0n : 1n);
          expect(result.costPicoUsd).toBe(exact);
          expect(result.chargedNanoUsd).toBe(posted);
          for (const balance of await money.store.balances()) {
            expect(balance).toMatchObject({ held: 0n, settled: posted });
          }
          await money.close();
        },
      ),
      { numRuns: 60, seed },
    );
  });

  test("a million tiny calls drift by nothing: what is posted is the sum of what was rounded", async () => {
    // 0.2 micro-USD per million tokens and one token: 1 nano-USD each, never 0.
    let balance = 0n;
    let exact = 0n;
    for (let count = 1; count <= 1_000_000; count += 1) {
      const pico = BigInt((count * 7_919) % 1_777);
      exact += pico;
      balance += postedNanoUsd(pico);
      if (postedNanoUsd(pico) * 1_000n < pico) expect.unreachable();
    }
    expect(balance * 1_000n).toBeGreaterThanOrEqual(exact);
    expect(balance * 1_000n - exact).toBeLessThan(1_000_000n * 1_000n);
  });

  test("what the ledger says exactly and what budgets post agree in every line", async () => {
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed + 1));
    await traffic.run(400);
    await engine.weir.idle();
    const integer = /^-?(0|[1-9]\d*)$/;
    for (const line of engine.lines()) {
      for (const [key, value] of numbersOf(line)) {
        if (/_(pico|nano)_usd$|_delta$/.test(key))
          expect(String(value), `${line.kind}.${key}`).toMatch(integer);
        else if (typeof value === "number")
          expect(Number.isSafeInteger(value), `${line.kind}.${key}`).toBe(true);
      }
      if (line.kind === "report") {
        expect(BigInt((line as ReportRecord).charged_nano_usd)).toBe(
          postedNanoUsd(BigInt(line.cost_pico_usd)),
        );
      }
    }
  });

  function* numbersOf(value: LogLine | object, name = ""): Generator<readonly [string, unknown]> {
    for (const [key, member] of Object.entries(value)) {
      if (member !== null && typeof member === "object")
        yield* numbersOf(member as object, `${name}${key}.`);
      else yield [key, member];
    }
  }
});

test("every line of a log can be read back", async () => {
  const engine = await open();
  await engine.weir.decide(intentOf("one"), LOCAL);
  expect([...linesOf(join(engine.folder, "log"))]).toHaveLength(1);
});
