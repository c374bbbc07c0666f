import { expect, test } from "vitest";

import type { RawIntent } from "../engine/intent/intent.ts";
import { styleOf } from "../adapters/cli/style.ts";
import { renderVelocity } from "../adapters/cli/render-velocity.ts";
import { fromVelocity } from "../adapters/grpc/from-operator.ts";
import type { weir } from "../proto/gen/weir.js";
import { budgetOf } from "./support/budgets.ts";
import { intentOf, LOCAL, type TestEngine } from "./support/engine.ts";
import { open } from "./support/opened.ts";

// Goal: a prompt that grew fourfold, and an agent that starts ever more agents, are stopped by the shipped
// policy. Method: the whole engine, with a day of usual calls before.

const HOUR_MS = 3_600_000;
const WINDOW = { calls_min: 1, cold_micro_usd: null, floor_micro_usd: 1e9, ratio_percent: 900 };
const velocity = {
  report_percent: 25,
  scopes: {
    team: {
      call_cost: { floor_micro_usd: 20_000, ratio_percent: 150 },
      windows: { "1h": WINDOW, "1m": WINDOW, "1s": WINDOW },
    },
  },
};
const budgets = [budgetOf("day", { limit: 1e12 })];

/** Decides one call and reports that it used what it said. */
async function call(engine: TestEngine, id: string, change: Partial<RawIntent> = {}) {
  const intent = intentOf(id, change);
  const decision = await engine.weir.decide(intent, LOCAL);
  if (decision.effect !== "allow") return decision;
  const usage = { input: Number(intent.tokens?.input), output: 200 };
  const report = { decisionId: decision.id, final: true, outcome: "ok", sequence: 1, usage };
  await engine.weir.report(report, LOCAL);
  return decision;
}

test("calls that cost more than they usually do are throttled, and go on once that has faded", async () => {
  const engine = await open({ data: { budgets, velocity } });
  for (let hour = 0; hour < 26; hour += 1) {
    for (const minute of [0, 1, 2]) {
      expect((await call(engine, `usual-${hour}-${minute}`)).effect).toBe("allow");
      engine.clock.advance(HOUR_MS / 3);
    }
  }
  const grown = { tokens: { input: 40_000, outputMax: 500 } };
  const effects: string[] = [];
  for (let number = 0; number < 60 && effects.at(-1) !== "throttle"; number += 1) {
    const decision = await call(engine, `grown-${number}`, grown);
    effects.push(decision.effect);
    engine.clock.advance(1_000);
  }
  expect(effects.length).toBeGreaterThan(3);
  const { reasons, retryAfterMs } = await call(engine, "one more", grown);
  expect(reasons.map(({ code }) => code)).toEqual(["velocity.call_cost"]);
  expect(reasons[0]?.message).toMatch(
    /^calls of team:search cost \$0\.0\d+ more than their usual \$0\.0\d+ each, \$0\.0\d+ is the limit; retry in \d+ min/,
  );

  const list = await engine.operator.velocity({ tenant: "acme" }, LOCAL);
  const shown = renderVelocity(fromVelocity(list) as weir.v1.GetVelocityResponse, styleOf(false));
  expect(shown).toMatch(/\n {2,}above usual +\$0\.02\d+ +\$0\.02\d+ +\d+% +HOT, cools in \d+ min$/);

  engine.clock.advance(retryAfterMs ?? 0);
  expect((await call(engine, "later", grown)).effect).toBe("allow");
});

test("a run starts no more runs than its share; those that have begun go on", async () => {
  const engine = await open({ data: { budgets, velocity } });
  const step = (id: string, run: string, change: Partial<RawIntent["run"]> = {}) =>
    call(engine, id, { run: { depth: 1, id: run, parent: "root", ...change } });
  for (let child = 0; child < 25; child += 1) {
    expect((await step(`first-${child}`, `child-${child}`)).effect).toBe("allow");
  }
  const refused = await step("one more", "child-25");
  expect(refused.effect).toBe("block");
  expect(refused.reasons.map(({ message }) => message)).toContain(
    "the run that started this one started 25 before, 25 is the limit",
  );
  expect((await step("second step", "child-3")).effect).toBe("allow");
  expect((await step("its own child", "grandchild", { parent: "child-3" })).effect).toBe("allow");
});
