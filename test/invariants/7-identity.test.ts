import { describe, expect, test } from "vitest";
import type { WeirError } from "../../engine/errors.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { dumpBalances, dumpState } from "../support/state-dump.ts";
import { open } from "../support/opened.ts";
import { decisionsOf } from "./standing.ts";

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
