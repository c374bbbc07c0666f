import type { LabRun } from "./lab.ts";
import type { Outcome } from "./replay.ts";
import { LAB_TROUBLES, type LabTrouble } from "./troubles.ts";

/** What came of one trouble over all runs, times and places; money in micro-USD, times in ms. */
export interface TroubleSummary {
  readonly tried: number;
  readonly missed: number;
  /** Of those found; null: none was. */
  readonly foundMsMedian: number | null;
  readonly foundMsMost: number | null;
  /** Until it was found; of a missed one, all of it. */
  readonly leakedMedian: number;
  readonly leakedMost: number;
  /** What it would have cost without any control. */
  readonly uncontrolledMedian: number;
  /** Let through in all, percent of what would have passed without any control. */
  readonly passedPercent: number;
  /** What found it: "team 1m", the most frequent first. */
  readonly foundBy: readonly (readonly [string, number])[];
}

/** A lab in figures. */
export interface LabSummary {
  readonly seeds: readonly number[];
  readonly untouched: {
    readonly calls: number;
    readonly costMicroUsd: number;
    readonly hotCalls: number;
    readonly falseTrips: number;
    /** By kind of scope and window. */
    readonly falseTripsBy: readonly (readonly [string, number])[];
  };
  readonly troubles: Readonly<Record<LabTrouble, TroubleSummary>>;
}

/** All runs as one. */
export function summarize(runs: readonly LabRun[]): LabSummary {
  const sum = (of: (run: LabRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const by = tallied(runs.flatMap(({ untouched }) => [...untouched.trips]));
  const troubles = LAB_TROUBLES.map((trouble) => {
    const outcomes = runs.flatMap((run) => run.outcomes[trouble]);
    return [trouble, summarizeTrouble(outcomes)] as const;
  });
  return {
    seeds: runs.map(({ seed }) => seed),
    troubles: Object.fromEntries(troubles) as Record<LabTrouble, TroubleSummary>,
    untouched: {
      calls: sum(({ untouched }) => untouched.calls),
      costMicroUsd: microUsd(sum(({ untouched }) => untouched.costNanoUsd)),
      falseTrips: by.reduce((total, [, count]) => total + count, 0),
      falseTripsBy: by,
      hotCalls: sum(({ untouched }) => untouched.hotCalls),
    },
  };
}

function summarizeTrouble(outcomes: readonly Outcome[]): TroubleSummary {
  const found = outcomes.filter((outcome) => outcome.foundMs !== null);
  const times = found.map(({ foundMs }) => foundMs as number);
  const leaked = outcomes.map((outcome) => outcome.leaked);
  const total = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((sum, outcome) => sum + of(outcome), 0);
  const uncontrolled = total((outcome) => outcome.uncontrolled);
  return {
    foundBy: tallied(found.map(({ foundBy }) => [foundBy, 1] as const)),
    foundMsMedian: times.length === 0 ? null : median(times),
    foundMsMost: times.length === 0 ? null : Math.max(...times),
    leakedMedian: microUsd(median(leaked)),
    leakedMost: microUsd(Math.max(0, ...leaked)),
    missed: outcomes.length - found.length,
    passedPercent:
      uncontrolled === 0 ? 0 : (100 * total((outcome) => outcome.passed)) / uncontrolled,
    tried: outcomes.length,
    uncontrolledMedian: microUsd(median(outcomes.map((outcome) => outcome.uncontrolled))),
  };
}

function tallied(
  counts: readonly (readonly [string, number])[],
): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
  return [...sums].toSorted(([one, many], [other, more]) => more - many || (one < other ? -1 : 1));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

function microUsd(nanoUsd: number): number {
  return Math.round(nanoUsd / 1_000);
}
