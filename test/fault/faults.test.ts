import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import { inTemporaryFolder } from "../../adapters/opa/compile.ts";
import { runCompiler } from "../../adapters/opa/compiler.ts";
import type { WeirError } from "../../engine/errors.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import { type Evaluated, type Evaluator, openEvaluator } from "../../engine/policy/evaluate.ts";
import type { DecisionRecord } from "../../engine/record/record.ts";
import { budgetOf, NO_VELOCITY } from "../support/budgets.ts";
import { intentOf, LOCAL, type TestEngine, type TestEngineOptions } from "../support/engine.ts";
import { closeAfter, open } from "../support/opened.ts";
import { GatedLog, LossyStore } from "../support/ports.ts";
import { dumpBalances } from "../support/state-dump.ts";

const decisions = (engine: TestEngine): DecisionRecord[] =>
  engine.lines().filter(({ kind }) => kind === "decision") as never;
const final = (decisionId: string) => ({
  decisionId,
  final: true,
  outcome: "ok",
  usage: { input: 100, output: 10 },
});

async function quiet(engine: TestEngine): Promise<void> {
  await engine.weir.idle();
  const check = verifyLedger(engine.lines(), await engine.store.balances());
  expect(check.problems).toEqual([]);
  expect(check.open).toBe(await engine.store.openReservations());
}

describe("the state store does not answer", () => {
  const HARD = budgetOf("hard");
  const SOFT = budgetOf("soft", { mode: "soft" });
  const OPENED = budgetOf("opened", { on_state_loss: "open" });
  const CLOSED = budgetOf("closed", { mode: "soft", on_state_loss: "closed" });

  async function lossy(budgets: readonly (typeof HARD)[], options: TestEngineOptions = {}) {
    const store = new LossyStore();
    const engine = await open({
      data: { budgets, velocity: NO_VELOCITY },
      ports: ({ state }) => ({ state: store.wrap(state) }),
      ...options,
    });
    return { engine, store };
  }

  test.each([
    ["a hard budget", [HARD], "block"],
    ["a soft budget", [SOFT], "allow"],
    ["a hard budget whose loss is open", [OPENED], "allow"],
    ["a soft budget whose loss is closed", [CLOSED], "block"],
    ["one closed among open ones", [SOFT, OPENED, CLOSED], "block"],
    ["no budget at all", [], "allow"],
  ] as const)("%s", async (_name, budgets, effect) => {
    const { engine, store } = await lossy(budgets);
    store.lost = true;
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(decision).toMatchObject({
      admission: effect === "allow" ? "open" : "",
      effect,
      expiresAtMs: 0,
    });
    const codes = decision.reasons.map(({ code }) => code);
    expect(codes).toContain(effect === "allow" ? "state.open" : "budget.unavailable");
    const [record] = decisions(engine);
    expect(record?.reservation).toMatchObject({ forced: false, held: false });
    const input = record?.evaluations[0]?.input as never as {
      context: { state: string; budgets: { fits: unknown }[] };
    };
    expect(input.context.state).toBe("unavailable");
    for (const { fits } of input.context.budgets) expect(fits).toBeNull();
    expect(await engine.store.balances()).toEqual([]);
    store.lost = false;
    expect(await engine.weir.decide(intentOf("b"), LOCAL)).toMatchObject({
      admission: "",
      effect: "allow",
    });
  });

  test("no reroute is tried, for nothing could be held", async () => {
    const { engine, store } = await lossy([SOFT]);
    store.lost = true;
    const decision = await engine.weir.decide(
      intentOf("a", { model: "openai:gpt-6.1-sol" }),
      LOCAL,
    );
    expect(decision).toMatchObject({
      admission: "open",
      effect: "allow",
      model: "openai:gpt-6.1-sol",
    });
  });

  test("what was admitted open is charged when it is reported, and the ledger stays sound, also after a restart", async () => {
    const { engine, store } = await lossy([SOFT]);
    await engine.weir.decide(intentOf("before"), LOCAL);
    store.lost = true;
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    store.lost = false;
    const result = await engine.weir.report(final(decision.id), LOCAL);
    expect(result.chargedNanoUsd).toBe(45_000n);
    expect((await engine.store.balances())[0]).toMatchObject({ settled: 45_000n });
    await quiet(engine);
    const again = await engine.openCopy({ ports: () => ({}) });
    closeAfter(again);
    expect(again.recovery.differences).toEqual([]);
    expect(await dumpBalances(again.store)).toEqual(await dumpBalances(engine.store));
    await quiet(again);
  });

  test("an open admission that is never reported charges nothing and leaves the ledger sound", async () => {
    const { engine, store } = await lossy([
      budgetOf("soft", { mode: "soft", on_expiry: "charge_held" }),
    ]);
    store.lost = true;
    await engine.weir.decide(intentOf("a"), LOCAL);
    store.lost = false;
    const again = await engine.openCopy({ ports: () => ({}) });
    closeAfter(again);
    again.clock.advance(300_000);
    await again.weir.sweep();
    expect(await dumpBalances(again.store)).toEqual({});
    await quiet(again);
  });

  test("a report or cancel while it is lost fails as a whole, and succeeds once it is back", async () => {
    const { engine, store } = await lossy([HARD]);
    const one = await engine.weir.decide(intentOf("a"), LOCAL);
    const two = await engine.weir.decide(intentOf("b"), LOCAL);
    store.lost = true;
    await expect(engine.weir.report(final(one.id), LOCAL)).rejects.toMatchObject({
      code: "state.unavailable",
    });
    await expect(engine.weir.cancel(two.id, LOCAL)).rejects.toMatchObject({
      code: "state.unavailable",
    });
    store.lost = false;
    expect(await engine.weir.report(final(one.id), LOCAL)).toMatchObject({ status: "settled" });
    expect(await engine.weir.cancel(two.id, LOCAL)).toEqual({ released: true });
    await quiet(engine);
  });

  test("a store lost between the report's line and its settlement: the report is repeated and posted once", async () => {
    const { engine, store } = await lossy([HARD]);
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    store.lost = true;
    store.only = ["settle"];
    await expect(engine.weir.report(final(id), LOCAL)).rejects.toMatchObject({
      code: "state.unavailable",
    });
    store.lost = false;
    expect(await engine.weir.report(final(id), LOCAL)).toMatchObject({ status: "settled" });
    await quiet(engine);
    const again = await engine.openCopy({ ports: () => ({}) });
    closeAfter(again);
    expect(again.recovery).toMatchObject({ differences: [], owed: [] });
    expect(await dumpBalances(again.store)).toEqual(await dumpBalances(engine.store));
  });

  test("a store lost after the record was written: no hold ends without its entry", async () => {
    const { engine, store } = await lossy([HARD]);
    store.lost = true;
    store.only = ["conclude"];
    await engine.weir.decide(intentOf("a"), LOCAL).catch((error: WeirError) => error);
    store.lost = false;
    await quiet(engine);
  });

  test("a store lost while an alternative is tried leaves nothing held", async () => {
    const { engine, store } = await lossy([HARD]);
    store.lost = true;
    store.only = ["adjust"];
    const answer = engine.weir.decide(intentOf("a", { model: "openai:gpt-6.1-sol" }), LOCAL);
    await expect(answer).rejects.toMatchObject({ code: "state.unavailable" });
    await quiet(engine);
    expect(await dumpBalances(engine.store)).toEqual({});
  });

  test("a fault of the store that is not a loss is an internal error, without a hold", async () => {
    const engine = await open({
      ports: ({ state }) => ({
        state: Object.assign(Object.create(state) as typeof state, {
          reserve: () => Promise.reject(new TypeError("x")),
        }),
      }),
    });
    await expect(engine.weir.decide(intentOf("a"), LOCAL)).rejects.toMatchObject({
      code: "internal",
    });
  });
});

describe("a line of an end cannot be written", () => {
  const budgets = [budgetOf("day", { on_expiry: "charge_held" })];

  /** Ends a call while entries fail; once they are written again, the end is made good. */
  const ends: Readonly<Record<string, (engine: TestEngine, id: string) => Promise<unknown>>> = {
    "a final report": (engine, id) => engine.weir.report(final(id), LOCAL),
    "a partial report": (engine, id) =>
      engine.weir.report({ ...final(id), final: false, outcome: "" }, LOCAL),
    "a cancel": (engine, id) => engine.weir.cancel(id, LOCAL),
    "an expiry": (engine) => {
      engine.clock.advance(300_000);
      return engine.weir.sweep();
    },
  };

  test.each(Object.entries(ends))(
    "%s: the entry is written later, and once",
    async (_name, end) => {
      let gated: GatedLog | undefined;
      const engine = await open({
        data: { budgets, velocity: NO_VELOCITY },
        ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }),
      });
      const log = gated as GatedLog;
      const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
      log.fails = ({ kind }) => kind === "entry";
      await end(engine, id).catch((error: WeirError) => expect(error.code).toBe("log.unavailable"));
      expect(engine.lines().filter(({ kind }) => kind === "entry")).toEqual([]);
      log.fails = () => false;
      await end(engine, id).catch(() => undefined);
      await engine.weir.sweep();
      await quiet(engine);
      const again = await engine.openCopy({ ports: () => ({}) });
      closeAfter(again);
      expect(again.recovery.differences).toEqual([]);
      expect(await dumpBalances(again.store)).toEqual(await dumpBalances(engine.store));
    },
  );

  test("the release of a block: it is written later", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({
      data: { budgets, velocity: NO_VELOCITY },
      ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }),
    });
    const log = gated as GatedLog;
    log.fails = ({ kind }) => kind === "entry";
    const { effect } = await engine.weir.decide(
      intentOf("a", { attempt: { number: 2, reason: "content_filter" } }),
      LOCAL,
    );
    expect(effect).toBe("block");
    await engine.weir.idle();
    log.fails = () => false;
    await engine.weir.sweep();
    await quiet(engine);
  });
});

describe("more reservations than one sweep ends, all due at once", () => {
  test("every one of them ends, and none is forgotten while it holds money", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day", { limit: 9_000_000 })], velocity: NO_VELOCITY },
    });
    await Promise.all(
      Array.from({ length: 1_300 }, (_, index) => engine.weir.decide(intentOf(`c${index}`), LOCAL)),
    );
    // The process slept for longer than idempotency entries are kept.
    engine.clock.advance(3_600_000);
    let ended = 0;
    for (let sweep = 0; sweep < 4; sweep += 1) ended += await engine.weir.sweep();
    expect(ended).toBe(1_300);
    expect(await engine.store.openReservations()).toBe(0);
    expect(await dumpBalances(engine.store)).toEqual({});
    await quiet(engine);
  });
});

describe("a fault of the policy is a block", () => {
  const returning = (evaluate: () => Evaluated): Evaluator => ({ evaluate });
  const fault = (what: string): Evaluated => ({ fault: what, text: null, verdict: null });

  async function withPolicy(
    policy: Evaluator,
    options: TestEngineOptions = {},
  ): Promise<TestEngine> {
    return open({
      ...options,
      ports: ({ bundles }) => {
        const bundle: Bundle = { ...bundles.current(), policy };
        return { bundles: { byDigest: () => bundle, current: () => bundle } };
      },
    });
  }

  test("it is recorded, with its words, and nothing stays held", async () => {
    const engine = await withPolicy(returning(() => fault("it went wrong")));
    const decision = await engine.weir.decide(intentOf("a"), LOCAL);
    expect(decision).toMatchObject({ effect: "block", expiresAtMs: 0, model: "" });
    expect(decision.reasons).toMatchObject([
      { code: "policy.fault", params: { fault: "it went wrong" }, severity: "critical" },
    ]);
    expect(decision.reasons[0]?.message).toContain("it went wrong");
    expect(decisions(engine)[0]?.evaluations).toMatchObject([
      { model: "openai:gpt-5-mini", verdict: null },
    ]);
    await quiet(engine);
    expect(await dumpBalances(engine.store)).toEqual({});
    const again = await engine.openCopy();
    closeAfter(again);
    expect(await dumpBalances(again.store)).toEqual({});
  });

  test("on an alternative only that alternative is out", async () => {
    const shipped = (await open()).ports.bundles.current().policy;
    let calls = 0;
    const engine = await withPolicy({
      evaluate: (text) => {
        calls += 1;
        return calls === 2 ? fault("second") : shipped.evaluate(text);
      },
    });
    // Several alternatives are cleared for this.
    const raw = intentOf("a", {
      data: { sensitivity: "confidential" },
      model: "openai:gpt-6.1-sol",
    });
    const decision = await engine.weir.decide(raw, LOCAL);
    expect(decision.effect).toBe("reroute");
    const record = decisions(engine)[0] as DecisionRecord;
    expect(record.evaluations[1]?.verdict).toBeNull();
    expect(record.evaluations[2]?.model).toBe(decision.model);
    await quiet(engine);
  });

  test("with the state store lost as well", async () => {
    const store = new LossyStore();
    const engine = await withPolicy(
      returning(() => fault("x")),
      {
        data: { budgets: [budgetOf("soft", { mode: "soft" })] },
      },
    );
    store.lost = true;
    expect((await engine.weir.decide(intentOf("a"), LOCAL)).effect).toBe("block");
  });

  /** Policies that a compiler accepts and that fail as they run. */
  const POLICIES: Readonly<Record<string, readonly [source: string, words: RegExp]>> = {
    undefined: [`decision := {"effect": "allow"} if input.nothing`, /undefined/],
    "a conflict": ["decision := x if some x in [1, 2]", /conflict/],
    "a number": ["decision := 7", /not an object/],
    "a list": ["decision := []", /not an object/],
    "an unknown effect": [verdict({ effect: `"maybe"` }), /effect/],
    "no effect": [
      `decision := {"obligations": {}, "reasons": [], "retry_after_ms": 0, "routes": []}`,
      /effect/,
    ],
    "a member too many": [verdict({ surprise: "1" }), /surprise/],
    "malformed reasons": [verdict({ reasons: `[{"code": "x"}]` }), /reasons/],
    "a fraction in a reason": [
      verdict({
        reasons: `[{"code": "x", "params": {"n": 1.5}, "rule": "r", "severity": "info"}]`,
      }),
      /reasons/,
    ],
    "routes that are no names": [verdict({ routes: "[1]" }), /routes/],
    "a throttle without a time": [verdict({ effect: `"throttle"` }), /retry after/],
    "a negative time": [verdict({ retry_after_ms: "-1" }), /retry_after_ms/],
    "an unknown obligation": [verdict({ obligations: `{"dance": true}` }), /dance/],
    "a cap that is no count": [
      verdict({ obligations: `{"max_output_tokens": 1.5}` }),
      /max_output_tokens/,
    ],
  };
  const modules = new Map<string, Uint8Array>();

  beforeAll(async () => {
    await inTemporaryFolder(async (root) => {
      const names = Object.keys(POLICIES);
      const commands = names.map((name, index) => {
        const folder = join(root, `p${index}`);
        mkdirSync(join(folder, "out"), { recursive: true });
        mkdirSync(join(folder, "policies"));
        writeFileSync(join(folder, "policies/p.rego"), `package weir\n\n${POLICIES[name]?.[0]}\n`);
        return [
          "build",
          `/made/p${index}/policies`,
          `/made/p${index}/out`,
          "/repo/policies/capabilities.json",
          "weir/decision",
        ];
      });
      const repo = join(import.meta.dirname, "../..");
      const answers = await runCompiler({ "/repo": repo, "/made": root }, commands);
      names.forEach((name, index) => {
        expect(answers[index], name).not.toHaveProperty("error");
        modules.set(name, readFileSync(join(root, `p${index}/out/policy.wasm`)));
      });
    });
  });

  test.each(Object.entries(POLICIES))("compiled: %s", async (name, [, words]) => {
    const engine = await withPolicy(openEvaluator(modules.get(name) as Uint8Array, {}));
    for (const id of ["a", "b"]) {
      const decision = await engine.weir.decide(intentOf(id), LOCAL);
      expect(decision).toMatchObject({ effect: "block" });
      expect(decision.reasons).toMatchObject([{ code: "policy.fault" }]);
      expect(String(decision.reasons[0]?.params["fault"])).toMatch(words);
    }
  });

  function verdict(change: Readonly<Record<string, string>>): string {
    const members = {
      effect: `"allow"`,
      obligations: "{}",
      reasons: "[]",
      retry_after_ms: "0",
      routes: "[]",
      ...change,
    };
    return `decision := {${Object.entries(members)
      .map(([name, value]) => `"${name}": ${value}`)
      .join(", ")}}`;
  }
});

describe("names that an object has of itself", () => {
  test.each(["constructor", "__proto__", "toString", "hasOwnProperty"])(
    "tenant %s is a tenant like any other",
    async (tenant) => {
      const engine = await open();
      const attribution = { ...intentOf("").attribution, tenant };
      const decision = await engine.weir.decide(intentOf("a", { attribution }), LOCAL);
      expect(decision.mode).toBe("enforce");
      expect(decision.reasons.map(({ code }) => code)).toEqual(["attribution.foreign_team"]);
    },
  );

  test.each(["constructor", "__proto__", "toString"])(
    "team, run, user and label %s are values like any other",
    async (name) => {
      const engine = await open();
      const attribution = { ...intentOf("").attribution, feature: name, user: name };
      const labels = JSON.parse(`{"${name}": "v"}`) as Record<string, string>;
      const raw = intentOf(name, { attribution, labels, run: { fingerprint: name, id: name } });
      expect(await engine.weir.decide(raw, LOCAL)).toMatchObject({ effect: "allow" });
      const input = decisions(engine)[0]?.evaluations[0]?.input as { intent: { labels: object } };
      expect(Object.keys(input.intent.labels)).toEqual([name]);
      const again = await engine.openCopy();
      closeAfter(again);
      expect(await dumpBalances(again.store)).toEqual(await dumpBalances(engine.store));
    },
  );
});

describe("a clock that steps back", () => {
  test("does not spread one decision over two windows", async () => {
    const engine = await open({
      data: { budgets: [budgetOf("day")], velocity: NO_VELOCITY },
      startMs: Date.UTC(2026, 10, 26, 0, 0, 1),
    });
    await engine.weir.decide(intentOf("a"), LOCAL);
    engine.clock.advance(-5_000);
    await engine.weir.decide(intentOf("b", { model: "openai:gpt-6.1-sol" }), LOCAL);
    for (const { evaluations, reservation } of decisions(engine)) {
      for (const { input } of evaluations) {
        for (const { resets_in_ms } of (
          input as never as { context: { budgets: { resets_in_ms: number }[] } }
        ).context.budgets) {
          expect(resets_in_ms).toBeGreaterThan(0);
          expect(resets_in_ms).toBeLessThanOrEqual(86_400_000);
        }
      }
      for (const { instance } of reservation.holds)
        expect(instance).toContain(`|${Date.UTC(2026, 10, 26)}`);
    }
  });

  test("neither trips a velocity limit nor frees one", async () => {
    const engine = await open();
    for (let count = 0; count < 30; count += 1) {
      engine.clock.advance(count % 2 === 0 ? 5_000 : -4_000);
      expect(await engine.weir.decide(intentOf(`a${count}`), LOCAL)).toMatchObject({
        effect: "allow",
      });
    }
    const windows = engine.store.tenant("acme").scopes.scopes.get("team:search")?.windows ?? [];
    expect(windows[2]?.cost).toBe(30 * 950_000);
  });
});

describe("an overrun counts in velocity when it is reported", () => {
  test("in the window of the report, not in the long gone one of the call", async () => {
    const engine = await open();
    const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
    engine.clock.advance(119_000);
    // 1,250 micro-USD were held; 20 USD came of it.
    await engine.weir.report({ ...final(id), usage: { input: 0, output: 10_000_000 } }, LOCAL);
    await engine.weir.decide(intentOf("b", { attempt: { number: 2, reason: "timeout" } }), LOCAL);
    const input = decisions(engine).at(-1)?.evaluations[0]?.input as never as {
      context: {
        velocity: { scope: string; windows: { window: string; rate_micro_usd: number }[] }[];
      };
    };
    const team = input.context.velocity.find(({ scope }) => scope === "team:search");
    const minute = team?.windows.find(({ window }) => window === "1m");
    expect(minute?.rate_micro_usd).toBeGreaterThan(19_000_000);
  });
});
