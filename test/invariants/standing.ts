import { expect } from "vitest";
import type { Balance } from "../../engine/ports.ts";
import type { DecisionRecord, EntryRecord } from "../../engine/record/record.ts";
import { type TestEngine } from "../support/engine.ts";

/** Decisions in an engine's log, in their order. */
export function decisionsOf(engine: TestEngine): DecisionRecord[] {
  return engine.lines().filter((line) => line.kind === "decision");
}

/** Entries of a decision, in their order. */
export function entriesOf(engine: TestEngine, decisionId: string): EntryRecord[] {
  return engine
    .lines()
    .filter((line) => line.kind === "entry" && line.decision_id === decisionId) as EntryRecord[];
}

/** The one balance of a budget. */
export async function balanceOf(engine: TestEngine, budget: string): Promise<Balance> {
  const found = (await engine.store.balances()).filter((balance) => balance.budget === budget);
  expect(found).toHaveLength(1);
  return found[0] as Balance;
}

/** Ceiling of the standard test intent on gpt-5-mini, nano-USD. */
export const CALL_NANO = 1_250_000n;
