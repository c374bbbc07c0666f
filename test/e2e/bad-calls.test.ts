import { afterEach, describe, expect, test } from "vitest";

import { weir } from "../../proto/gen/weir.js";
import {
  accepted,
  expectRefused,
  type Live,
  openLive,
  type Refusal,
  refused,
  wireIntent,
} from "./live.ts";

// Goal: calls that are well formed and still wrong, each with its one clear error, and those that look
// wrong and are not. Method: as in bad-input.test.ts.

const { ReportStatus } = weir.v1;

const opened: Live[] = [];
async function open(principals: readonly string[] = []): Promise<Live> {
  const live = await openLive({ principals });
  opened.push(live);
  return live;
}

afterEach(async () => {
  for (const live of opened.splice(0)) {
    expect(live.faults).toEqual([]);
    expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
  }
});

function failed(code: string, reason: string, message: string): Refusal {
  return { code, message, reason, violations: [] };
}

const report = (decisionId: string, change: object = {}) => ({
  decisionId,
  final: true,
  outcome: 1,
  usage: { input: 1_000, output: 100 },
  ...change,
});

describe("intents", () => {
  test("a duplicate with other content is refused, whatever differs; a new attempt is another intent", async () => {
    const live = await open();
    const first = accepted(await live.decide(wireIntent("one")));
    const message =
      "intent one, attempt 1, was sent before with other content; a retry is a new attempt";
    const want = failed("ALREADY_EXISTS", "intent.conflict", message);
    const changes = [
      { tokens: { input: 1_001, outputMax: 500 } },
      { task: "plan" },
      { labels: { a: "b" } },
    ];
    for (const change of changes)
      await expectRefused(live, () => live.decide(wireIntent("one", change)), want);
    expect(accepted(await live.decide(wireIntent("one")))).toMatchObject({
      id: first.id,
      replayed: true,
    });
    const retry = accepted(
      await live.decide(wireIntent("one", { attempt: { number: 2 }, task: "plan" })),
    );
    expect(retry.replayed).toBe(false);
  });

  test("two at once with other content: one is decided, the other refused", async () => {
    const live = await open();
    const [one, other] = await Promise.all([
      live.decide(wireIntent("both")),
      live.decide(wireIntent("both", { task: "classify" })),
    ]);
    const answers = [one, other].map((answer) => ("reason" in answer ? answer.reason : "decided"));
    expect(answers.toSorted()).toEqual(["decided", "intent.conflict"]);
    expect((await live.standing()).open).toBe(1);
    await live.proveItServes();
  });

  test("an intent that has ended is not decided again", async () => {
    const live = await open();
    const want = failed(
      "FAILED_PRECONDITION",
      "intent.finished",
      "the intent was decided and has ended; a retry is a new attempt",
    );
    const settled = accepted(await live.decide(wireIntent("settled")));
    accepted(await live.report(report(settled.id)));
    await expectRefused(live, () => live.decide(wireIntent("settled")), want);
    const cancelled = accepted(await live.decide(wireIntent("cancelled")));
    accepted(await live.cancel(cancelled.id));
    await expectRefused(live, () => live.decide(wireIntent("cancelled")), want);
  });

  test("not an error: the identical duplicate gets the same decision, and no second hold", async () => {
    const live = await open();
    const first = accepted(await live.decide(wireIntent("same")));
    const before = await live.standing();
    const again = accepted(await live.decide(wireIntent("same")));
    expect(again.replayed).toBe(true);
    expect(again).toMatchObject({
      id: first.id,
      expiresAtMs: first.expiresAtMs,
      model: first.model,
    });
    expect(await live.standing()).toEqual(before);
  });
});

describe("reports and cancels", () => {
  const UNKNOWN = `d${"0123456789abc".repeat(4).slice(0, 51)}`;

  test("of a decision that never was", async () => {
    const live = await open();
    for (const id of [UNKNOWN, "nope", "x".repeat(128), `${UNKNOWN} `]) {
      const want = failed("NOT_FOUND", "decision.not_found", `no decision ${id}`);
      await expectRefused(live, () => live.report(report(id)), want);
      await expectRefused(live, () => live.cancel(id), want);
    }
  });

  test("a report with the same number and other figures is refused, and the first one stands", async () => {
    const live = await open();
    const { id } = accepted(await live.decide(wireIntent("partial")));
    accepted(await live.report(report(id, { final: false, sequence: 1 })));
    const partial = `report 1 of decision ${id} was posted before with other figures`;
    const other = report(id, { final: false, sequence: 1, usage: { input: 1_000, output: 101 } });
    await expectRefused(
      live,
      () => live.report(other),
      failed("ALREADY_EXISTS", "report.conflict", partial),
    );
    accepted(await live.report(report(id, { sequence: 2 })));
    const final = `report 2 of decision ${id} was posted before with other figures`;
    for (const change of [
      { usage: { input: 9 } },
      { outcome: 2 },
      { final: false },
      { model: "openai:gpt-5" },
    ]) {
      const conflicting = report(id, { sequence: 2, ...change });
      await expectRefused(
        live,
        () => live.report(conflicting),
        failed("ALREADY_EXISTS", "report.conflict", final),
      );
    }
    expect(accepted(await live.report(report(id, { sequence: 2 }))).status).toBe(
      ReportStatus.REPORT_STATUS_DUPLICATE,
    );
  });

  test("a cancel after the final report is refused, and the charge stands", async () => {
    const live = await open();
    const { id } = accepted(await live.decide(wireIntent("done")));
    accepted(await live.report(report(id)));
    const message = `decision ${id} has a final report and cannot be cancelled`;
    await expectRefused(
      live,
      () => live.cancel(id),
      failed("FAILED_PRECONDITION", "decision.finished", message),
    );
  });

  test("not errors: a second cancel, a cancel of what expired or was blocked", async () => {
    const live = await open();
    const allowed = accepted(await live.decide(wireIntent("a")));
    expect(accepted(await live.cancel(allowed.id)).released).toBe(true);
    expect(accepted(await live.cancel(allowed.id)).released).toBe(false);
    const blocked = accepted(await live.decide(wireIntent("b", { model: "openai:none" })));
    expect(blocked.effect).toBe(weir.v1.Effect.EFFECT_BLOCK);
    expect(accepted(await live.cancel(blocked.id)).released).toBe(false);
    const expired = accepted(await live.decide(wireIntent("c")));
    live.clock.advance(125_000);
    expect(await live.service.weir.sweep()).toBe(1);
    expect(accepted(await live.cancel(expired.id)).released).toBe(false);
    expect(await live.standing()).toEqual({ balances: [], open: 0 });
  });

  test("not errors: output above the cap, a late report, identical and older duplicates", async () => {
    const live = await open();
    const over = accepted(await live.decide(wireIntent("over")));
    const usage = { input: 1_000, output: 90_000 };
    // 1,000 in at 0.25 and 90,000 out at 2 USD per million tokens.
    const result = {
      chargedNanoUsd: 180_250_000,
      costPicoUsd: "180250000000",
      decisionId: over.id,
      flags: ["overrun"],
    };
    expect(accepted(await live.report(report(over.id, { sequence: 2, usage })))).toEqual({
      ...result,
      status: ReportStatus.REPORT_STATUS_SETTLED,
    });
    const charged = await live.standing();
    const again = accepted(await live.report(report(over.id, { sequence: 2, usage })));
    expect(again).toMatchObject({
      chargedNanoUsd: 180_250_000,
      status: ReportStatus.REPORT_STATUS_DUPLICATE,
    });
    const older = accepted(await live.report(report(over.id, { sequence: 1 })));
    expect(older).toMatchObject({
      chargedNanoUsd: 180_250_000,
      status: ReportStatus.REPORT_STATUS_SUPERSEDED,
    });
    expect(await live.standing()).toEqual(charged);

    const late = accepted(await live.decide(wireIntent("late")));
    live.clock.advance(125_000);
    await live.service.weir.sweep();
    const corrected = accepted(await live.report(report(late.id)));
    expect(corrected).toMatchObject({
      chargedNanoUsd: 450_000,
      status: ReportStatus.REPORT_STATUS_CORRECTED,
    });
    expect(corrected.flags).toEqual(["late"]);
    expect(accepted(await live.report(report(late.id))).status).toBe(
      ReportStatus.REPORT_STATUS_DUPLICATE,
    );
  });

  test("not an error: a report for a model without a price is charged as the decided one, and flagged", async () => {
    const live = await open();
    const { id } = accepted(await live.decide(wireIntent("unpriced")));
    const result = accepted(await live.report(report(id, { model: "openai:none" })));
    expect(result).toMatchObject({ chargedNanoUsd: 450_000, flags: ["other_model", "unpriced"] });
  });
});

describe("who calls", () => {
  const OWNER = "search-service";
  const STRANGER = "platform-service";

  test("a stranger's decision id does not exist for it, with the words of one that never was", async () => {
    const live = await open([OWNER, STRANGER]);
    const owner = live.keyOf(OWNER);
    const stranger = live.keyOf(STRANGER);
    const { id } = accepted(await live.decide(wireIntent("mine"), owner));
    const want = failed("NOT_FOUND", "decision.not_found", `no decision ${id}`);
    await expectRefused(live, () => live.report(report(id), stranger), want);
    await expectRefused(live, () => live.cancel(id, stranger), want);
    expect(accepted(await live.report(report(id), owner)).status).toBe(
      ReportStatus.REPORT_STATUS_SETTLED,
    );
    await expectRefused(live, () => live.report(report(id), stranger), want);
    await expectRefused(live, () => live.cancel(id, stranger), want);
  });

  test("an attribution that the principal may not claim", async () => {
    const live = await open([OWNER]);
    const owner = live.keyOf(OWNER);
    const attribution = { ...wireIntent("").attribution };
    const tenant = wireIntent("t", { attribution: { ...attribution, tenant: "globex" } });
    const mayNotAct = `principal ${OWNER} may not act for tenant globex`;
    await expectRefused(
      live,
      () => live.decide(tenant, owner),
      failed("PERMISSION_DENIED", "auth.denied", mayNotAct),
    );
    const team = wireIntent("t", { attribution: { ...attribution, team: "support" } });
    const mayNotClaim = `principal ${OWNER} may not claim team support; it may claim search`;
    await expectRefused(live, () => live.decide(team, owner), {
      ...failed("PERMISSION_DENIED", "auth.denied", mayNotClaim),
      violations: [{ description: mayNotClaim, field: "attribution.team" }],
    });
  });

  test("a principal that the bundle does not know", async () => {
    const live = await open([OWNER, "nobody"]);
    const want = failed(
      "PERMISSION_DENIED",
      "auth.denied",
      "principal nobody may not act for tenant acme",
    );
    await expectRefused(live, () => live.decide(wireIntent("n"), live.keyOf("nobody")), want);
  });

  test("no key, a malformed one, one that never was: nothing is parsed before", async () => {
    const live = await open([OWNER]);
    const never = `weir_${"0".repeat(12)}_${"0".repeat(64)}`;
    const cases: readonly (readonly [string | undefined, string])[] = [
      [undefined, "no API key given; send `authorization: Bearer <key>` or `x-weir-key: <key>`"],
      ["secret", "the API key is malformed; it looks like weir_<id>_<secret>"],
      ["two words", "authorization is not of the form 'Bearer <key>'"],
      [never, "the API key is not known"],
    ];
    for (const [key, message] of cases) {
      const want = failed("UNAUTHENTICATED", "auth.unauthenticated", message);
      await expectRefused(live, () => live.decide(wireIntent("k"), key), want);
      await expectRefused(live, () => live.report(report("d"), key), want);
      await expectRefused(live, () => live.cancel("d", key), want);
      await expectRefused(live, () => live.send("Decide", Buffer.from([7]), key), want);
    }
  });

  test("a method that is none", async () => {
    const live = await open();
    const got = refused(await live.send("Nothing" as never, Buffer.alloc(0)));
    expect(got.code).toBe("UNIMPLEMENTED");
    await live.proveItServes();
  });
});
