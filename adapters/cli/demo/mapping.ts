import type { RawIntent } from "../../../engine/intent/intent.ts";
import { SeededRandom } from "./random.ts";
import type { TraceCall } from "./trace.ts";
import { drawFeature, type Feature, FEATURES } from "./traffic.ts";
import { drawTrouble, SPANS, type Trouble } from "./trouble.ts";

/**
 * The trace's first call is put at this time, the others as far behind it as they were: prices have
 * effective dates, and the trace is older than the models it is mapped to.
 */
export const TRACE_START_MS = Date.UTC(2026, 10, 25, 14, 0, 0);

/** What becomes of the report of an admitted call; see reports.ts. */
export type Reporting = "once" | "in_parts" | "twice" | "late" | "over_cap" | "never" | "failed";

/** One call, ready to send. */
export interface PlannedCall {
  readonly atMs: number;
  readonly principal: string;
  readonly intent: RawIntent;
  readonly trouble: Trouble | null;
  readonly reporting: Reporting;
  /** What the call really uses if it runs. */
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** How the caller's estimate of the input misses: by up to 8 %, with 15 % on top as its p95. */
const MISS = 0.08;
const P95 = 1.15;
const USERS = 40;
const STEPS_PER_RUN = 8;
const STORM_INTENTS = 12;

const REPORTING: readonly (readonly [Reporting, number])[] = [
  ["once", 86],
  ["in_parts", 4],
  ["twice", 3],
  ["late", 2],
  ["over_cap", 2],
  ["never", 3],
];

/**
 * Trace to calls. Time, input and output tokens are the trace's; a seed draws the rest:
 * - ordinary calls come from the features of traffic.ts, by their share;
 * - single calls are in trouble, by the shares of trouble.ts;
 * - in three spans of the calls (trouble.ts) a part of the calls belongs to an agent loop, a retry
 *   storm, and a burst of one feature at 20 times its share.
 * No call is added to the trace's: trouble takes the place of ordinary calls.
 */
export function mapCalls(trace: readonly TraceCall[], seed: number): readonly PlannedCall[] {
  const mapper = new Mapper(new SeededRandom(seed));
  return trace.map((call, index) => mapper.map(call, index, index / trace.length));
}

class Mapper {
  readonly #random: SeededRandom;
  #loopSteps = 0;
  #stormCalls = 0;
  #agentSteps = 0;
  readonly #storm: PlannedCall[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  map(call: TraceCall, index: number, progress: number): PlannedCall {
    const atMs = TRACE_START_MS + call.offsetMs;
    const span = SPANS.find(({ from, to }) => progress >= from && progress < to);
    if (span !== undefined && this.#random.chance(span.share)) {
      switch (span.trouble) {
        case "agent_loop":
          return this.#loop(call, atMs, index);
        case "retry_storm":
          return this.#retry(call, atMs, index);
        case "burst":
          return this.#plan(FEATURES.evals, call, atMs, index, "burst", {});
      }
    }
    const single = drawTrouble(this.#random);
    if (single === null) return this.#plan(drawFeature(this.#random), call, atMs, index, null, {});
    return this.#plan(
      single.feature,
      call,
      atMs,
      index,
      single.trouble,
      single.change,
      single.principal,
    );
  }

  #plan(
    feature: Feature,
    call: TraceCall,
    atMs: number,
    index: number,
    trouble: Trouble | null,
    change: Partial<RawIntent>,
    principal: string = feature.principal,
  ): PlannedCall {
    const random = this.#random;
    const input = Math.round(call.inputTokens * (1 - MISS + 2 * MISS * random.next()));
    const never = feature.unreported !== undefined && random.chance(feature.unreported);
    const reporting = random.weighted(REPORTING);
    const user = feature.users ? { user: `u-${String(random.below(USERS)).padStart(3, "0")}` } : {};
    const model = random.weighted(feature.models);
    return {
      atMs,
      principal,
      trouble,
      reporting: never ? "never" : reporting,
      inputTokens: call.inputTokens,
      outputTokens: call.outputTokens,
      intent: {
        id: `call-${index + 1}`,
        attribution: { ...attributionOf(feature), ...user, ...change.attribution },
        operation: "chat",
        model: change.model ?? model,
        task: change.task ?? feature.task,
        tokens: {
          input,
          inputP95: Math.ceil(input * P95),
          outputMax: feature.outputMax,
          ...change.tokens,
        },
        data: { sensitivity: feature.sensitivity, ...change.data },
        run: change.run ?? (feature.agent === undefined ? undefined : this.#nextStep()),
        attempt: change.attempt,
      },
    };
  }

  /** Ordinary agents take a few different steps a run. */
  #nextStep(): NonNullable<RawIntent["run"]> {
    const run = Math.floor(this.#agentSteps / STEPS_PER_RUN);
    const step = (this.#agentSteps % STEPS_PER_RUN) + 1;
    this.#agentSteps += 1;
    return { id: `run-${run + 1}`, step, depth: 1, fingerprint: `step-${run + 1}-${step}` };
  }

  /** One agent that makes the very same step again and again, on a dear model. */
  #loop(call: TraceCall, atMs: number, index: number): PlannedCall {
    this.#loopSteps += 1;
    return this.#plan(FEATURES.agents, call, atMs, index, "agent_loop", {
      attribution: { user: "u-loop" },
      model: "openai:gpt-6-astra",
      run: { id: "run-loop", step: this.#loopSteps, depth: 1, fingerprint: "the-same-step" },
      task: "plan",
    });
  }

  /**
   * A dozen calls that time out at the provider and are tried again at once, over and over, by a client
   * that does not heed what it is told; every fourth fails for good and is tried again all the same.
   * A retry takes the time of its trace call and the content of the call it repeats.
   */
  #retry(call: TraceCall, atMs: number, index: number): PlannedCall {
    const place = this.#stormCalls % STORM_INTENTS;
    const number = Math.floor(this.#stormCalls / STORM_INTENTS) + 1;
    this.#stormCalls += 1;
    const first = this.#storm[place];
    if (first === undefined) {
      const planned = this.#plan(FEATURES.translate, call, atMs, index, "retry_storm", {});
      const failing: PlannedCall = { ...planned, reporting: "failed" };
      this.#storm.push(failing);
      return failing;
    }
    const reason = place % 4 === 3 ? "invalid_request" : "timeout";
    return { ...first, atMs, intent: { ...first.intent, attempt: { number, reason } } };
  }
}

/** Attribution of a feature's calls, without the user. */
export function attributionOf(feature: Feature): Readonly<Record<string, string>> {
  return {
    tenant: feature.tenant,
    team: feature.team,
    feature: feature.feature,
    service: feature.principal,
    costCenter: feature.costCenter,
    environment: feature.environment,
  };
}
