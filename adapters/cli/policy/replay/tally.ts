import type { Effect } from "../../../../engine/decision/decision.ts";
import type { Bundle } from "../../../../engine/policy/bundle.ts";
import type { Verdict } from "../../../../engine/policy/verdict.ts";
import { canonicalJson } from "../../../../engine/record/canonical.ts";
import { type DecisionRecord, firstInput } from "../../../../engine/record/record.ts";
import { countingCodes, type Outcome, outcomeWith, recordedOutcome } from "./outcome.ts";

/** What a candidate makes of a log. Money is ceilings in micro-USD. */
export interface Replay {
  readonly decisions: number;
  /** Inputs evaluated: a rerouted call has several. */
  readonly inputs: number;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Decisions by the digest of the bundle that made them. */
  readonly bundles: ReadonlyMap<string, number>;
  /** Codes of the candidate's rules that no input made hold. */
  readonly unmet: readonly string[];
  /** Inputs that the candidate failed on. */
  readonly faults: number;
  /** Decisions by what they were and what they become. */
  readonly matrix: ReadonlyMap<Effect, ReadonlyMap<Outcome["effect"], number>>;
  /** Decisions with another effect or another model. */
  readonly changed: number;
  /** Decisions with the same outcome for other reasons. */
  readonly reasonsChanged: number;
  readonly teams: readonly TeamChange[];
  /** The most often changed first. */
  readonly rules: readonly RuleChange[];
}

export interface TeamChange {
  readonly tenant: string;
  readonly team: string;
  readonly changed: number;
  /** Ran, and would not. */
  readonly stoppedMicroUsd: number;
  /** Did not run, and would. */
  readonly startedMicroUsd: number;
  /** Would run on another model: what that adds, below 0 for what it saves. */
  readonly movedMicroUsd: number;
}

export interface RuleChange {
  readonly code: string;
  /** Decisions that it counts in and did not. */
  readonly newly: number;
  /** Decisions that it counted in and does not. */
  readonly gone: number;
  /** Ids of decisions, those with another outcome first. */
  readonly examples: readonly string[];
}

const EXAMPLES_MAX = 3;

/** Replays decisions on a candidate, one after the other. */
export class ReplayTally {
  readonly #bundle: Bundle;
  readonly #bundles = new Map<string, number>();
  readonly #matrix = new Map<Effect, Map<Outcome["effect"], number>>();
  readonly #teams = new Map<string, TeamChange>();
  readonly #rules = new Map<string, RuleTally>();
  readonly #met = new Set<string>();
  readonly #counts = { changed: 0, decisions: 0, faults: 0, inputs: 0, reasonsChanged: 0 };
  #fromMs = Number.POSITIVE_INFINITY;
  #untilMs = 0;

  constructor(bundle: Bundle) {
    this.#bundle = bundle;
  }

  take(record: DecisionRecord): void {
    const counts = this.#counts;
    counts.decisions += 1;
    this.#fromMs = Math.min(this.#fromMs, record.at_ms);
    this.#untilMs = Math.max(this.#untilMs, record.at_ms);
    add(this.#bundles, record.bundle.digest);
    const verdicts = record.evaluations.map(({ input }) => this.#judge(canonicalJson(input)));
    const judged = new Map(record.evaluations.map(({ input }, index) => [input, verdicts[index]]));
    const before = recordedOutcome(record);
    const after = outcomeWith(record, (input) => judged.get(input) ?? null);
    const row = this.#matrix.get(before.effect as Effect) ?? new Map<Outcome["effect"], number>();
    add(row, after.effect);
    this.#matrix.set(before.effect as Effect, row);
    const changed = before.effect !== after.effect || before.model !== after.model;
    const ruled = this.#compareCodes(record, verdicts[0] ?? null, changed);
    if (changed) {
      counts.changed += 1;
      this.#move(record, before, after);
    } else if (ruled) counts.reasonsChanged += 1;
  }

  result(): Replay {
    return {
      ...this.#counts,
      bundles: this.#bundles,
      fromMs: this.#fromMs,
      matrix: this.#matrix,
      rules: [...this.#rules]
        .map(([code, { gone, ids, newly }]) => ({
          code,
          examples: [...ids.changed, ...ids.same].slice(0, EXAMPLES_MAX),
          gone,
          newly,
        }))
        .toSorted((a, b) => b.newly + b.gone - a.newly - a.gone || (a.code < b.code ? -1 : 1)),
      teams: [...this.#teams.values()].toSorted((a, b) => sizeOf(b) - sizeOf(a)),
      unmet: Object.keys(this.#bundle.rules).filter((code) => !this.#met.has(code)),
      untilMs: this.#untilMs,
    };
  }

  #judge(inputText: string): Verdict | null {
    const { verdict } = this.#bundle.policy.evaluate(inputText);
    this.#counts.inputs += 1;
    if (verdict === null) this.#counts.faults += 1;
    for (const { code } of verdict?.reasons ?? []) this.#met.add(code);
    return verdict;
  }

  #compareCodes(
    { evaluations, id }: DecisionRecord,
    now: Verdict | null,
    changed: boolean,
  ): boolean {
    const before = new Set(countingCodes((evaluations[0]?.verdict ?? null) as Verdict | null));
    const after = new Set(countingCodes(now));
    const codes = [...new Set([...before, ...after])].filter(
      (code) => before.has(code) !== after.has(code),
    );
    for (const code of codes) {
      const tally = this.#rules.get(code) ?? { gone: 0, ids: { changed: [], same: [] }, newly: 0 };
      if (after.has(code)) tally.newly += 1;
      else tally.gone += 1;
      const ids = changed ? tally.ids.changed : tally.ids.same;
      if (ids.length < EXAMPLES_MAX) ids.push(id);
      this.#rules.set(code, tally);
    }
    return codes.length > 0;
  }

  #move(record: DecisionRecord, before: Outcome, after: Outcome): void {
    const { team } = firstInput(record).intent.attribution;
    const key = JSON.stringify([record.tenant, team]);
    const known = this.#teams.get(key) ?? {
      changed: 0,
      movedMicroUsd: 0,
      startedMicroUsd: 0,
      stoppedMicroUsd: 0,
      team,
      tenant: record.tenant,
    };
    const [ran, runs] = [before.model !== "", after.model !== ""];
    const moved = ran && runs ? after.costMicroUsd - before.costMicroUsd : 0;
    this.#teams.set(key, {
      ...known,
      changed: known.changed + 1,
      movedMicroUsd: known.movedMicroUsd + moved,
      startedMicroUsd: known.startedMicroUsd + (runs && !ran ? after.costMicroUsd : 0),
      stoppedMicroUsd: known.stoppedMicroUsd + (ran && !runs ? before.costMicroUsd : 0),
    });
  }
}

interface RuleTally {
  newly: number;
  gone: number;
  readonly ids: { readonly changed: string[]; readonly same: string[] };
}

function sizeOf({ movedMicroUsd, startedMicroUsd, stoppedMicroUsd }: TeamChange): number {
  return Math.abs(movedMicroUsd) + startedMicroUsd + stoppedMicroUsd;
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
