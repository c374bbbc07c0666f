import { LIMITS } from "../../engine/limits.ts";
import type { RunStep, Snapshot } from "../../engine/reservation/reservation.ts";

/** One agent run. */
export interface RunState {
  seenMs: number;
  steps: number;
  /** Settled and expected, nano-USD. */
  spent: number;
  readonly fingerprints: Map<string, number>;
}

/** The agent runs of one tenant. */
export class RunTable {
  readonly runs = new Map<string, RunState>();

  snapshot(step: RunStep | null, nowMs: number): Snapshot["run"] {
    if (step === null) return null;
    const run = this.#open(step.id, nowMs);
    const repeats = step.fingerprint === "" ? 0 : (run.fingerprints.get(step.fingerprint) ?? 0);
    return { repeats, spentNanoUsd: run.spent, steps: run.steps };
  }

  /** Counts an admitted step. */
  charge(step: RunStep | null, cost: number): void {
    if (step === null) return;
    const run = this.runs.get(step.id) as RunState;
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
    run.steps = Math.max(0, run.steps - 1);
    run.spent = Math.max(0, run.spent - cost);
    const seen = run.fingerprints.get(step.fingerprint) ?? 0;
    if (seen > 1) run.fingerprints.set(step.fingerprint, seen - 1);
    else run.fingerprints.delete(step.fingerprint);
  }

  /** Corrects the cost of a step by what it really was. */
  correct(step: RunStep | null, cost: number): void {
    const run = step === null ? undefined : this.runs.get(step.id);
    if (run !== undefined) run.spent = Math.max(0, run.spent + cost);
  }

  #open(id: string, nowMs: number): RunState {
    let run = this.runs.get(id);
    if (run === undefined) {
      run = { fingerprints: new Map(), seenMs: nowMs, spent: 0, steps: 0 };
      this.runs.set(id, run);
    }
    if (nowMs > run.seenMs) run.seenMs = nowMs;
    return run;
  }
}
