import { describe, expect, test } from "vitest";
import type { WeirError } from "../../engine/errors.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import type { RawReport } from "../../engine/ledger/report.ts";
import { LIMITS } from "../../engine/limits.ts";
import { budgetOf, NO_VELOCITY } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { GatedLog, settleTurns } from "../support/ports.ts";
import { dumpBalances, dumpState } from "../support/state-dump.ts";
import { open } from "../support/opened.ts";
import { balanceOf, CALL_NANO } from "./standing.ts";

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
