import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import { lockFolder } from "../adapters/embedded/lock.ts";
import { SegmentedLog } from "../adapters/embedded/log.ts";
import { readLog } from "../adapters/embedded/segments.ts";
import { WeirError } from "../engine/errors.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import { budgetOf, EVERY_KIND, NO_VELOCITY } from "./support/budgets.ts";
import { intentOf, LOCAL, openTestEngine, type TestEngine } from "./support/engine.ts";
import { closeAfter, open } from "./support/opened.ts";
import { Random, testSeed } from "./support/random.ts";
import { dumpBalances, dumpState } from "./support/state-dump.ts";
import { Traffic } from "./support/traffic.ts";

async function restarted(engine: TestEngine): Promise<TestEngine> {
  await engine.weir.idle();
  const again = await engine.openCopy();
  closeAfter(again);
  return again;
}

async function everything(engine: TestEngine): Promise<unknown> {
  return {
    balances: await dumpBalances(engine.store),
    open: await engine.store.openReservations(),
    state: dumpState(engine.store, ["local"], engine.clock.nowMs()),
  };
}

const final = (decisionId: string, input: number, output: number, sequence = 1) => ({
  decisionId,
  final: true,
  outcome: "ok",
  sequence,
  usage: { input, output },
});

describe("a restart finds the state that was", () => {
  const cases: Readonly<Record<string, (engine: TestEngine) => Promise<unknown>>> = {
    "an open call": (engine) => engine.weir.decide(intentOf("a"), LOCAL),
    "a settled call": async (engine) => {
      const { id } = await engine.weir.decide(
        intentOf("a", { run: { fingerprint: "f", id: "r" } }),
        LOCAL,
      );
      await engine.weir.report(final(id, 900, 300), LOCAL);
    },
    "a partly reported call": async (engine) => {
      const { id } = await engine.weir.decide(intentOf("a", { run: { id: "r" } }), LOCAL);
      await engine.weir.report(
        { decisionId: id, sequence: 3, usage: { input: 900, output: 20 } },
        LOCAL,
      );
    },
    "a cancelled call": async (engine) => {
      const { id } = await engine.weir.decide(
        intentOf("a", { run: { fingerprint: "f", id: "r" } }),
        LOCAL,
      );
      expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: true });
    },
    "a call cancelled after a report that used up its hold": async (engine) => {
      const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
      await engine.weir.report({ decisionId: id, usage: { input: 9_000, output: 9_000 } }, LOCAL);
      expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: true });
    },
    "a cancelled call under no budget": async (engine) => {
      const { effect, id } = await engine.weir.decide(globexIntent("a"), LOCAL);
      expect(effect).toBe("allow");
      expect(await engine.weir.cancel(id, LOCAL)).toEqual({ released: true });
    },
    "a rerouted call": async (engine) => {
      const { effect } = await engine.weir.decide(
        intentOf("a", { model: "openai:gpt-6.1-sol" }),
        LOCAL,
      );
      expect(effect).toBe("reroute");
    },
    "a blocked call": (engine) =>
      engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL),
    "an expired call": async (engine) => {
      await engine.weir.decide(intentOf("a", { run: { id: "r" } }), LOCAL);
      engine.clock.advance(200_000);
      expect(await engine.weir.sweep()).toBe(2);
    },
    "a late report": async (engine) => {
      const { id } = await engine.weir.decide(intentOf("a", { run: { id: "r" } }), LOCAL);
      engine.clock.advance(200_000);
      await engine.weir.sweep();
      await engine.weir.report(final(id, 500, 500), LOCAL);
    },
    "a report of a blocked call": async (engine) => {
      const { id } = await engine.weir.decide(
        intentOf("a", { attempt: { number: 2, reason: "content_filter" } }),
        LOCAL,
      );
      await engine.weir.idle();
      await engine.weir.report(final(id, 500, 500), LOCAL);
    },
    "two reports of one number with other figures at once": async (engine) => {
      const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
      const both = await Promise.allSettled([
        engine.weir.report(final(id, 100, 100), LOCAL),
        engine.weir.report(final(id, 800, 400), LOCAL),
      ]);
      expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    },
    "an estimate that came after the provider's figures": async (engine) => {
      const { id } = await engine.weir.decide(intentOf("a"), LOCAL);
      await engine.weir.report(
        { basis: "provider", decisionId: id, sequence: 1, usage: { input: 10, output: 10 } },
        LOCAL,
      );
      await engine.weir.report(
        { basis: "estimated", decisionId: id, sequence: 2, usage: { input: 99, output: 99 } },
        LOCAL,
      );
      await engine.weir.report(
        { basis: "provider", decisionId: id, sequence: 2, usage: { input: 11, output: 11 } },
        LOCAL,
      );
    },
    "calls until the velocity trips": async (engine) => {
      const dear = { task: "code", tokens: { input: 80_000, outputMax: 8_000 } };
      let throttled = 0;
      for (let count = 0; count < 90; count += 1) {
        const model = "anthropic:claude-sonnet-5-5";
        const { effect } = await engine.weir.decide(
          intentOf(`v${count}`, { ...dear, model }),
          LOCAL,
        );
        if (effect === "throttle") throttled += 1;
        engine.clock.advance(300);
      }
      expect(throttled).toBeGreaterThan(5);
    },
  };

  test.each(Object.entries(cases))("%s", async (_name, run) => {
    const ample = EVERY_KIND.map((budget) => ({ ...budget, limit: budget.limit * 1_000 }));
    const engine = await open({ data: { budgets: ample } });
    await engine.weir.decide(intentOf("earlier"), LOCAL);
    engine.clock.advance(1_500);
    await run(engine);
    await engine.weir.idle();
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check.problems).toEqual([]);
    const again = await restarted(engine);
    expect(again.recovery).toMatchObject({ differences: [], owed: [] });
    expect(await everything(again)).toEqual(await everything(engine));
  });

  test("answers it gave are given again, whole", async () => {
    const engine = await open();
    const intents = [
      intentOf("allow"),
      intentOf("block", { model: "openai:none" }),
      intentOf("reroute", { model: "openai:gpt-6.1-sol" }),
      intentOf("short", { tokens: { input: 10, outputMax: 100_000 } }),
    ];
    const before = await Promise.all(intents.map((intent) => engine.weir.decide(intent, LOCAL)));
    const again = await restarted(engine);
    for (const [index, intent] of intents.entries()) {
      expect(await again.weir.decide(intent, LOCAL)).toEqual({ ...before[index], replayed: true });
    }
  });

  test("a throttle counts until its time, also after a restart", async () => {
    const engine = await open();
    const dear = {
      model: "anthropic:claude-sonnet-5-5",
      task: "code",
      tokens: { input: 80_000, outputMax: 8_000 },
    };
    let last = await engine.weir.decide(intentOf("v0", dear), LOCAL);
    for (let count = 1; last.effect !== "throttle"; count += 1) {
      last = await engine.weir.decide(intentOf(`v${count}`, dear), LOCAL);
      expect(count).toBeLessThan(200);
    }
    expect(last.retryAfterMs).toBeGreaterThan(0);
    const again = await restarted(engine);
    const key = engine.lines().at(-1);
    expect(key?.kind).toBe("entry");
    const next = await again.weir.decide(intentOf("fresh", dear), LOCAL);
    expect(next).toMatchObject({
      effect: "throttle",
      replayed: false,
      retryAfterMs: last.retryAfterMs,
    });
  });

  test("after each of many random calls", async () => {
    const seed = testSeed("restart after each call");
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    for (let count = 0; count < 40; count += 1) {
      await traffic.run(5);
      await engine.weir.idle();
      const again = await engine.openCopy();
      try {
        expect(await everything(again), `seed ${seed}, call ${count * 5}`).toEqual(
          await everything(engine),
        );
      } finally {
        await again.close();
      }
    }
  });

  test("an admission while the store was lost does not shift the time of the lines before it", async () => {
    const engine = await open();
    for (let count = 0; count < 5; count += 1) {
      await engine.weir.decide(intentOf(`a${count}`), LOCAL);
      engine.clock.advance(20_000);
    }
    // A decision made without the store has no place in the store's order.
    const line = engine.lines().findLast(({ kind }) => kind === "decision");
    if (line?.kind !== "decision") return expect.unreachable();
    await engine.ports.log.append({
      ...line,
      at_ms: engine.clock.nowMs(),
      decision: { ...line.decision, admission: "open", expires_at_ms: 0 },
      id: line.id.replace(/.{32}$/, "0".repeat(32)),
      reservation: {
        ...line.reservation,
        held: false,
        idempotency_key: "other",
        state_sequence: 0,
        tried: [],
      },
    });
    const again = await restarted(engine);
    const scope = (of: TestEngine) => of.store.tenant("acme").scopes.scopes.get("team:search");
    const costs = (of: TestEngine) =>
      scope(of)?.windows.map(({ cost, costBefore, index }) => [index, cost, costBefore]);
    expect(scope(again)?.bornMs).toBe(scope(engine)?.bornMs);
    // The hour holds all five; of the minutes before, only as much as each was.
    expect(costs(again)?.[2]).toEqual(costs(engine)?.[2]);
    expect(costs(again)?.[1]?.[1]).toBeLessThan(5 * 950_000);
    return undefined;
  });

  test("a freeze that was lifted stays lifted", async () => {
    const engine = await open();
    const freeze = {
      actor: "ops",
      at_ms: engine.clock.nowMs(),
      kind: "freeze",
      reason: "x",
      tenant: "acme",
      v: 1,
    } as const;
    await engine.weir.decide(intentOf("a"), LOCAL);
    await engine.ports.log.append({ ...freeze, frozen: true, scope: "team:search" });
    await engine.ports.log.append({ ...freeze, frozen: true, scope: "team:support" });
    await engine.weir.decide(intentOf("b"), LOCAL);
    await engine.ports.log.append({ ...freeze, frozen: false, scope: "team:search" });
    const again = await restarted(engine);
    expect([...again.store.tenant("acme").freezes.values()]).toEqual([
      { actor: "ops", atMs: freeze.at_ms, reason: "x", scope: "team:support" },
    ]);
  });
});

describe("what a killed process owed is finished", () => {
  test("the release of a blocked call that was held", async () => {
    const engine = await open({ data: { budgets: [budgetOf("day")], velocity: NO_VELOCITY } });
    const { effect, id } = await engine.weir.decide(
      intentOf("a", { attempt: { number: 2, reason: "content_filter" } }),
      LOCAL,
    );
    await engine.weir.idle();
    const live = await everything(engine);
    const lines = engine.lines();
    const cut = cutBefore(
      engine,
      lines.findIndex((line) => line.kind === "entry" && line.decision_id === id),
    );
    expect(effect).not.toBe("allow");
    const again = await openTestEngine({
      ...cut,
      data: { budgets: [budgetOf("day")], velocity: NO_VELOCITY },
    });
    closeAfter(again);
    expect(again.recovery.owed.map((entry) => entry.id)).toEqual([`${id}:released`]);
    expect(await everything(again)).toEqual(live);
    expect(verifyLedger(again.lines(), await again.store.balances())).toMatchObject({
      open: 0,
      problems: [],
    });
    const third = await restarted(again);
    expect(third.recovery.owed).toEqual([]);
    expect(await everything(third)).toEqual(live);
  });

  test.each([true, false])(
    "the settlement of a report that was written (final: %s)",
    async (isFinal) => {
      const engine = await open({ data: { budgets: EVERY_KIND } });
      const { id } = await engine.weir.decide(intentOf("a", { run: { id: "r" } }), LOCAL);
      await engine.weir.report({ ...final(id, 900, 300), final: isFinal }, LOCAL);
      const live = await everything(engine);
      const cut = cutBefore(engine, engine.lines().length - 1);
      const again = await openTestEngine({ ...cut, data: { budgets: EVERY_KIND } });
      closeAfter(again);
      expect(again.recovery.owed.map((entry) => entry.id)).toEqual([
        expect.stringMatching(new RegExp(`^${id}:report:1:`)),
      ]);
      expect(await everything(again)).toEqual(live);
      expect(again.lines().at(-1)).toMatchObject({
        ...engine.lines().at(-1),
        state_sequence: expect.any(Number),
      });
      const repeated = await again.weir.report({ ...final(id, 900, 300), final: isFinal }, LOCAL);
      expect(repeated.status).toBe("duplicate");
    },
  );

  test("at every line a kill may stop at, the sums agree and what follows is lawful", async () => {
    const seed = testSeed("cut anywhere");
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed));
    await traffic.run(70);
    await engine.weir.idle();
    const count = engine.lines().length;
    for (let keep = 0; keep <= count; keep += 1) {
      const again = await openTestEngine({
        ...cutBefore(engine, keep),
        data: { budgets: EVERY_KIND },
      });
      try {
        expect(again.recovery.differences).toEqual([]);
        const check = verifyLedger(again.lines(), await again.store.balances());
        expect(check.problems, `seed ${seed}, ${keep} of ${count} lines`).toEqual([]);
        expect(check.open, `seed ${seed}, ${keep} of ${count} lines`).toBe(
          await again.store.openReservations(),
        );
      } finally {
        await again.close();
      }
    }
  });
});

describe("a damaged log", () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await openTestEngine();
    for (let count = 0; count < 6; count += 1)
      await engine.weir.decide(intentOf(`a${count}`), LOCAL);
  });

  test.each([1, 5, 40, 200])(
    "a last line cut short by %i bytes is repaired, with a message",
    async (bytes) => {
      const { file, folder, text } = copyOf(engine);
      writeFileSync(file, text.slice(0, -bytes));
      const log = new SegmentedLog({
        folder: join(folder, "log"),
        segmentBytes: 1 << 20,
        sync: "os",
        syncIntervalMs: 1,
      });
      expect(log.repaired).toContain(file);
      expect(log.repaired).toContain("after line 5");
      await log.close();
      const again = await openTestEngine({ folder });
      closeAfter(again);
      expect(again.lines()).toHaveLength(5);
      await again.weir.decide(intentOf("next"), LOCAL);
      expect([...readLog(join(folder, "log"))].map(({ number }) => number)).toEqual([
        1, 2, 3, 4, 5, 6,
      ]);
    },
  );

  const damages: Readonly<Record<string, (lines: string[]) => string[]>> = {
    "a flipped byte": (lines) => lines.with(2, (lines[2] as string).replace("acme", "acmf")),
    "a flipped digit of the number": (lines) =>
      lines.with(2, (lines[2] as string).replace(/^3/, "7")),
    "a flipped digit of the checksum": (lines) =>
      lines.with(
        2,
        (lines[2] as string).replace(
          /^(3 )(.)/,
          (_all, number: string, digit: string) => `${number}${digit === "0" ? "1" : "0"}`,
        ),
      ),
    "a removed line": (lines) => lines.toSpliced(2, 1),
    "two lines changed about": (lines) =>
      lines.with(2, lines[3] as string).with(3, lines[2] as string),
    "a line twice": (lines) => lines.toSpliced(3, 0, lines[2] as string),
    "a removed first line": (lines) => lines.slice(1),
    "an empty line": (lines) => lines.toSpliced(2, 0, ""),
    "a newer version": (lines) => lines.with(2, "3 00000000 {}"),
    "a line cut short, and lines after it": (lines) =>
      lines.with(2, (lines[2] as string).slice(0, 90)),
  };

  test.each(Object.entries(damages))(
    "%s in the middle is refused, naming file and line",
    async (name, damage) => {
      const { file, folder, text } = copyOf(engine);
      writeFileSync(file, `${damage(text.trimEnd().split("\n")).join("\n")}\n`);
      const position = name === "a removed first line" ? 1 : name === "a line twice" ? 4 : 3;
      const wanted = {
        code: "log.corrupt",
        message: expect.stringContaining(`${file}:${position}: `) as string,
      };
      expect(() => [...readLog(join(folder, "log"))]).toThrow(expect.objectContaining(wanted));
      expect(await refusal(folder)).toMatchObject(wanted);
      rmSync(folder, { force: true, recursive: true });
    },
  );

  test.each([
    ["first", 0],
    ["second", 1],
  ])("a missing %s segment is refused", async (_name, index) => {
    const many = await open({ segmentBytes: 4_000 });
    for (let count = 0; count < 20; count += 1)
      await many.weir.decide(intentOf(`a${count}`), LOCAL);
    const folder = many.copyFolder();
    const segments = readdirSync(join(folder, "log")).toSorted();
    expect(segments.length).toBeGreaterThan(3);
    unlinkSync(join(folder, "log", segments[index] as string));
    expect(await refusal(folder)).toMatchObject({ code: "log.corrupt" });
    rmSync(folder, { force: true, recursive: true });
  });

  test("damage in an older segment is found too", async () => {
    const many = await open({ segmentBytes: 4_000 });
    for (let count = 0; count < 20; count += 1)
      await many.weir.decide(intentOf(`a${count}`), LOCAL);
    const folder = many.copyFolder();
    const [first] = readdirSync(join(folder, "log")).toSorted();
    const file = join(folder, "log", first as string);
    writeFileSync(file, readFileSync(file, "utf8").replace("acme", "acmf"));
    expect(await refusal(folder)).toMatchObject({ code: "log.corrupt" });
    rmSync(folder, { force: true, recursive: true });
  });

  test("segments are read as one log, and found by the ledger", async () => {
    const many = await open({ segmentBytes: 4_000 });
    const decisions = [];
    for (let count = 0; count < 20; count += 1) {
      decisions.push(await many.weir.decide(intentOf(`a${count}`), LOCAL));
      many.clock.advance(1_000);
    }
    expect([...readLog(join(many.folder, "log"))].map(({ number }) => number)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    for (const { id } of decisions) expect((await many.ports.ledger.find(id))?.record.id).toBe(id);
    expect(await many.ports.ledger.find(`d${"0".repeat(51)}`)).toBeNull();
  });
});

describe("two processes and one folder", () => {
  test("the second is refused and told who has it; once the first is gone it may", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-lock-"));
    const module = join(import.meta.dirname, "../adapters/embedded/lock.ts");
    const script = `const { lockFolder } = await import(${JSON.stringify(module)});
      lockFolder(${JSON.stringify(folder)}); console.log("locked"); setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const refused = {
      code: "config.invalid",
      message: expect.stringContaining(`process ${child.pid};`) as string,
    };
    expect(() => lockFolder(folder)).toThrow(expect.objectContaining(refused));
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
    const lock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(`process ${process.pid};`);
    lock.release();
    lockFolder(folder).release();
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["a free folder", ""],
    ["a folder whose holder is gone", '{"pid":4194304,"started":"1"}'],
    ["a folder whose lock is damaged", "{"],
  ])("of many at once exactly one gets %s", async (_name, lock) => {
    const folder = mkdtempSync(join(tmpdir(), "weir-lock-"));
    if (lock !== "") writeFileSync(join(folder, "lock"), lock);
    const module = join(import.meta.dirname, "../adapters/embedded/lock.ts");
    const script = `const { lockFolder } = await import(${JSON.stringify(module)});
      process.stdin.once("data", () => { try { lockFolder(${JSON.stringify(folder)}); console.log("locked"); }
      catch { console.log("refused"); } process.stdin.once("data", () => process.exit()); });
      console.log("ready");`;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await Promise.all(children.map(({ stdout }) => once(stdout, "data")));
    for (const { stdin } of children) stdin.write("go\n");
    const answers = await Promise.all(
      children.map(async ({ stdout }) => String((await once(stdout, "data"))[0]).trim()),
    );
    const closed = children.map((child) => once(child, "close"));
    for (const { stdin } of children) stdin.write("end\n");
    await Promise.all(closed);
    expect(answers.toSorted()).toEqual(["locked", "refused", "refused", "refused"]);
    rmSync(folder, { recursive: true });
  });
});

/** What opening the folder is refused with; null: it is opened. */
async function refusal(folder: string): Promise<WeirError | null> {
  const engine = await openTestEngine({ folder }).catch((error: WeirError) => error);
  if (engine instanceof WeirError) return engine;
  await engine.close();
  return null;
}

/** A folder whose log ends before line `keep`. */
function cutBefore(
  engine: TestEngine,
  keep: number,
): { readonly folder: string; readonly startMs: number; readonly seed: string } {
  const { file, folder, text } = copyOf(engine);
  const lines = text.split("\n").slice(0, keep);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return { folder, seed: "cut", startMs: engine.clock.nowMs() };
}

function copyOf(engine: TestEngine): {
  readonly folder: string;
  readonly file: string;
  readonly text: string;
} {
  const folder = engine.copyFolder();
  const [first] = readdirSync(join(folder, "log"));
  const file = join(folder, "log", first as string);
  return { file, folder, text: readFileSync(file, "utf8") };
}

/** Tenant globex, under no budget and no mandatory field but its own. */
function globexIntent(id: string) {
  return intentOf(id, {
    attribution: {
      costCenter: "gx-1",
      environment: "prod",
      feature: "f",
      service: "s",
      team: "platform",
      tenant: "globex",
    },
  });
}
