import type { TraceCall } from "../demo/trace.ts";
import { SeededRandom } from "../demo/random.ts";
import type { CallCosts, Organisation, Seat } from "./organisation.ts";

/** One call of the lab. */
export interface LabCall {
  readonly atMs: number;
  readonly seat: Seat;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costNanoUsd: number;
  /** What the call costs above what it would without the trouble; 0 for ordinary calls. */
  readonly excessNanoUsd: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Monday, 2026-11-23, 00:00 UTC: a time that windows of an hour are aligned to. */
export const WEEK_START_MS = Date.UTC(2026, 10, 23);

/** Part of the trace's calls that an hour of a working day has, percent. */
const WORKDAY = [
  14, 12, 10, 10, 10, 12, 18, 32, 58, 84, 98, 100, 90, 94, 100, 98, 92, 78, 58, 44, 34, 28, 24, 18,
] as const;
const WEEKEND = 0.4;

/**
 * Weeks of traffic from one trace: it is repeated from end to end, each time from another call on,
 * and thinned to the rhythm of days and weeks. A trace of a day or longer has its own rhythm and is
 * repeated as it is. Any stretch can be made again: the same seed makes the same calls.
 */
export class Weeks {
  readonly #trace: readonly TraceCall[];
  readonly #organisation: Organisation;
  readonly #costs: CallCosts;
  readonly #seed: number;
  readonly #share: number;
  readonly #spanMs: number;
  readonly #known = new Map<string, Float64Array>();

  constructor(
    trace: readonly TraceCall[],
    organisation: Organisation,
    costs: CallCosts,
    options: {
      readonly seed: number;
      /** Part of the trace's calls that is used, 0 to 1. */
      readonly share: number;
    },
  ) {
    this.#trace = trace;
    this.#organisation = organisation;
    this.#costs = costs;
    this.#seed = options.seed;
    this.#share = options.share;
    const lastMs = trace.at(-1)?.offsetMs ?? 0;
    this.#spanMs = Math.max(1_000, lastMs + Math.round(lastMs / trace.length));
  }

  /** Calls from one time to another, epoch ms, in order. */
  *between(fromMs: number, toMs: number): Generator<LabCall> {
    const first = Math.floor((fromMs - WEEK_START_MS) / this.#spanMs);
    const last = Math.floor((toMs - 1 - WEEK_START_MS) / this.#spanMs);
    for (let round = first; round <= last; round += 1) yield* this.#round(round, fromMs, toMs);
  }

  *#round(round: number, fromMs: number, toMs: number): Generator<LabCall> {
    const random = new SeededRandom(
      Math.imul(this.#seed, 0x85ebca6b) ^ Math.imul(round, 0xc2b2ae35),
    );
    const startMs = WEEK_START_MS + round * this.#spanMs;
    const count = this.#trace.length;
    const begin = random.below(count);
    const beginMs = (this.#trace[begin] as TraceCall).offsetMs;
    for (let place = 0; place < count; place += 1) {
      const index = (begin + place) % count;
      const { inputTokens, offsetMs, outputTokens } = this.#trace[index] as TraceCall;
      const passedMs = offsetMs - beginMs;
      const atMs = startMs + (index >= begin ? passedMs : passedMs + this.#spanMs);
      const kept = random.chance(this.#share * this.#rhythm(atMs));
      if (!kept) continue;
      const team = this.#organisation.drawTeam(random);
      const seat = this.#organisation.drawSeat(team, random);
      const model = this.#organisation.drawModel(team, random);
      if (atMs < fromMs || atMs >= toMs) continue;
      const costNanoUsd = this.#cost(model, index);
      yield { atMs, costNanoUsd, excessNanoUsd: 0, inputTokens, model, outputTokens, seat };
    }
  }

  #rhythm(atMs: number): number {
    if (this.#spanMs >= DAY_MS) return 1;
    const day = Math.floor((atMs - WEEK_START_MS) / DAY_MS) % 7;
    const hour = Math.floor((atMs % DAY_MS) / HOUR_MS);
    return ((WORKDAY[hour] as number) / 100) * (day >= 5 ? WEEKEND : 1);
  }

  #cost(model: string, index: number): number {
    let costs = this.#known.get(model);
    if (costs === undefined) {
      costs = Float64Array.from(this.#trace, ({ inputTokens, outputTokens }) =>
        this.#costs.of(model, inputTokens, outputTokens),
      );
      this.#known.set(model, costs);
    }
    return costs[index] as number;
  }
}
