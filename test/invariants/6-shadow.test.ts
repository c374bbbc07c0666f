import { describe, expect, test } from "vitest";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import type { DecisionRecord } from "../../engine/record/record.ts";
import { budgetOf, NO_VELOCITY } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { closeAfter, open } from "../support/opened.ts";
import { balanceOf, CALL_NANO, decisionsOf } from "./standing.ts";

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
    closeAfter(reopened);
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

  test("a rule that enforces does what it says, and no rule in shadow beside it does more", async () => {
    const windows = { calls_min: 1, cold_micro_usd: 1, floor_micro_usd: 1, ratio_percent: 200 };
    const scope = { windows: { "1h": windows, "1m": windows, "1s": windows } };
    const modes = { rules: { "velocity.hot": "enforce" }, tenants: {} } as const;
    const velocity = { report_percent: 0, scopes: { team: scope } };
    const budgets = [budgetOf("day", { limit: 3_000 })];
    const shadow = await open({ data: { budgets, modes, velocity }, mode: "shadow" });
    const enforce = await open({ data: { budgets, modes, velocity } });
    for (const id of ["first", "second"]) await shadow.weir.decide(intentOf(id), LOCAL);
    for (const id of ["first", "second"]) await enforce.weir.decide(intentOf(id), LOCAL);

    const throttled = await shadow.weir.decide(intentOf("both"), LOCAL);
    const throttling = throttled.reasons.filter(({ shadow: isShadow }) => isShadow !== true);
    expect(throttled).toMatchObject({ effect: "throttle", expiresAtMs: 0, wouldBe: "block" });
    expect(throttled.retryAfterMs).toBe(throttling[0]?.params["retry_after_ms"]);
    expect(throttling.map(({ code }) => code)).toEqual(["velocity.hot"]);
    const silent = throttled.reasons.filter(({ shadow: isShadow }) => isShadow === true);
    expect(silent.map(({ code }) => code)).toContain("budget.exhausted");
    const recorded = decisionsOf(shadow).at(-1) as DecisionRecord;
    expect(recorded.decision).toMatchObject({ effect: "throttle", would_be: "block" });
    expect(recorded.evaluations[0]?.verdict).toMatchObject({ effect: "block" });
    const real = await enforce.weir.decide(intentOf("both"), LOCAL);
    expect(real).toMatchObject({ effect: "block", wouldBe: null });
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
