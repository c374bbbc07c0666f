import { LIMITS } from "../../engine/limits.ts";
import type { RunStep, Snapshot } from "../../engine/reservation/reservation.ts";
import { evictOne } from "./evict.ts";

/** One agent run. */
export interface RunState {
  seenMs: number;
  steps: number;
  /** Settled and expected, nano-USD. */
  spent: number;
  /** Runs that it started and that made a step. */
  children: number;
  readonly fingerprints: Map<string, number>;
}

/** The agent runs of one tenant, the idle-longest first; they begin with their first admitted step. */
export class RunTable {
  readonly runs = new Map<string, RunState>();
  readonly #max: number;

  constructor(max: number = LIMITS.runsPerTenant) {
    this.#max = max;
  }

  /** The run before this step; one that has not begun is empty. */
  snapshot(step: RunStep | null): Snapshot["run"] {
    if (step === null) return null;
    const run = this.runs.get(step.id);
    const siblings = this.runs.get(step.parent ?? "")?.children ?? 0;
    if (run === undefined) {
      return { children: 0, repeats: 0, siblings, spentNanoUsd: 0, steps: 0 };
    }
    const { children, fingerprints, spent, steps } = run;
    const repeats = step.fingerprint === "" ? 0 : (fingerprints.get(step.fingerprint) ?? 0);
    return { children, repeats, siblings, spentNanoUsd: spent, steps };
  }

  /** Counts an admitted step; the first one counts the run among its parent's children. */
  charge(step: RunStep | null, cost: number, nowMs: number): void {
    if (step === null) return;
    const run = this.#open(step.id, nowMs);
    if (run.steps === 0 && step.parent) this.#open(step.parent, nowMs).children += 1;
    run.steps += 1;
    run.spent += cost;
    if (step.fingerprint === "") return;
    const { fingerprints } = run;
    const seen = fingerprints.get(step.fingerprint) ?? 0;
    if (seen === 0 && fingerprints.size >= LIMITS.fingerprintsPerRun) {
      const [oldest] = fingerprints.keys();
      if (oldest !== undefined) fingerprints.delete(oldest);
    }
    fingerprints.set(step.fingerprint, seen + 1);
  }

  /** Takes a step back that did not run. */
  undo(step: RunStep | null, cost: number): void {
    const run = step === null ? undefined : this.runs.get(step.id);
    if (run === undefined || step === null) return;
    if (run.steps === 1) {
      const parent = this.runs.get(step.parent ?? "");
      if (parent !== undefined) parent.children = Math.max(0, parent.children - 1);
    }
    run.steps = Math.max(0, run.steps - 1);
    run.spent = Math.max(0, run.spent - cost);
    const seen = run.fingerprints.get(step.fingerprint) ?? 0;
    if (seen > 1) run.fingerprints.set(step.fingerprint, seen - 1);
    else run.fingerprints.delete(step.fingerprint);
  }

  /** Corrects the cost of a step by what it really was; what was never admitted may have cost something. */
  correct(step: RunStep | null, cost: number, nowMs: number): void {
    if (step === null) return;
    const run = cost > 0 ? this.#open(step.id, nowMs) : this.runs.get(step.id);
    if (run !== undefined) run.spent = Math.max(0, run.spent + cost);
  }

  #open(id: string, nowMs: number): RunState {
    const known = this.runs.get(id);
    const run = known ?? {
      children: 0,
      fingerprints: new Map(),
      seenMs: nowMs,
      spent: 0,
      steps: 0,
    };
    if (known === undefined) {
      if (this.runs.size >= this.#max) evictOne(this.runs, () => true);
    } else {
      this.runs.delete(id);
    }
    this.runs.set(id, run);
    if (nowMs > run.seenMs) run.seenMs = nowMs;
    return run;
  }
}
