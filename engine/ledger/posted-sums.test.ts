import { expect, test } from "vitest";

import { budgetOf } from "../../test/support/budgets.ts";
import { intentOf, LOCAL, openTestEngine } from "../../test/support/engine.ts";
import type { LogLine } from "../record/record.ts";
import { PostedSums } from "./posted-sums.ts";

// Goal: sums do not depend on which log is read first, and an end without its beginning lets go of nothing.

/** One call that stays open, one that is reported in two parts, one that expires. */
async function linesOfThree(): Promise<readonly LogLine[]> {
  const engine = await openTestEngine({
    data: { budgets: [budgetOf("day", { on_expiry: "charge_held" })] },
  });
  try {
    await engine.weir.decide(intentOf("expires"), LOCAL);
    const { id } = await engine.weir.decide(intentOf("reported"), LOCAL);
    const usage = { input: 1_000, output: 20 };
    await engine.weir.report({ decisionId: id, sequence: 1, usage }, LOCAL);
    const last = { decisionId: id, final: true, outcome: "ok", sequence: 2, usage };
    await engine.weir.report(last, LOCAL);
    engine.clock.advance(3_600_000);
    await engine.weir.sweep();
    await engine.weir.decide(intentOf("open"), LOCAL);
    await engine.weir.idle();
    return engine.lines();
  } finally {
    await engine.close();
  }
}

function summed(lines: readonly LogLine[]) {
  const sums = new PostedSums();
  for (const line of lines) sums.take(line);
  return { all: [...sums.all.values()], open: sums.open };
}

test("sums are the same whichever log is read first", async () => {
  const lines = await linesOfThree();
  const { all, open } = summed(lines);
  const decided = lines.flatMap((line) => (line.kind === "decision" ? [line] : []));
  expect(open).toEqual([decided.at(-1)?.id]);
  expect(all).toMatchObject([{ budget: "day", unit: "nano_usd" }]);
  expect(all[0]?.held).toBe(BigInt(decided.at(-1)?.reservation.holds[0]?.amount ?? 0));
  const others = lines.filter(({ kind }) => kind !== "decision");
  expect(summed([...others, ...decided])).toEqual({ all, open });
});

test("an end whose beginning no log has lets go of nothing, and charges all the same", async () => {
  const lines = await linesOfThree();
  const whole = summed(lines);
  const { all, open } = summed(lines.filter(({ kind }) => kind !== "decision"));
  expect(open).toEqual([]);
  expect(all).toMatchObject([{ held: 0n, settled: whole.all[0]?.settled }]);
});
