import { attributionOf, type PlannedCall, TRACE_START_MS } from "./mapping.ts";
import { SeededRandom } from "./random.ts";
import type { TraceCall } from "./trace.ts";
import { type Feature, FEATURES } from "./traffic.ts";

/** How long before the trace the warm-up begins. */
export const WARM_UP_MS = 2 * 24 * 3_600_000;
const TICK_MS = 10 * 60_000;
const HOUR_MS = 3_600_000;
const ANSWERS_MAX = 128;
const WARM_UP_SALT = 0x77_61_72_6d;

/**
 * Two days of ordinary traffic before the trace, for velocity trips only on scopes that are a day old
 * and have learnt enough windows. Every ten minutes each feature makes one call that stands for a
 * minute of its traffic: as many answers as it makes calls in a minute of the trace, with all their
 * input, give or take a fifth. So the minutes learnt are the trace's own, in 1 % of the calls. It is
 * sent to the engine in process and counts in no figure of the demo, but it is in the log, in the
 * budgets and in what is verified.
 */
export function planWarmUp(trace: readonly TraceCall[], seed: number): readonly PlannedCall[] {
  const random = new SeededRandom(seed ^ WARM_UP_SALT);
  const pace = paceOf(trace);
  const calls: PlannedCall[] = [];
  for (let atMs = TRACE_START_MS - WARM_UP_MS; atMs < TRACE_START_MS; atMs += TICK_MS) {
    const features: readonly Feature[] = Object.values(FEATURES);
    features.forEach((feature, place) => {
      const answers = answersAt(feature, atMs, pace, random);
      // A second apart, so that no two calls share a time.
      if (answers > 0) calls.push(planCall(feature, atMs + place * 1_000, answers, pace));
    });
  }
  return calls;
}

interface Pace {
  readonly callsPerMinute: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

function paceOf(trace: readonly TraceCall[]): Pace {
  const lastMs = trace.at(-1)?.offsetMs ?? 0;
  const mean = (sum: (call: TraceCall) => number) =>
    Math.round(trace.reduce((total, call) => total + sum(call), 0) / trace.length);
  return {
    callsPerMinute: (trace.length * 60_000) / Math.max(lastMs, 60_000),
    inputTokens: mean((call) => call.inputTokens),
    outputTokens: mean((call) => call.outputTokens),
  };
}

function answersAt(
  { share, past }: Feature,
  atMs: number,
  pace: Pace,
  random: SeededRandom,
): number {
  const about = 0.8 + 0.4 * random.next();
  if (past === undefined) {
    const answers = Math.round((about * pace.callsPerMinute * share) / 100);
    return Math.min(ANSWERS_MAX, Math.max(1, answers));
  }
  const hour = new Date(atMs).getUTCHours();
  if (hour >= past.fromHour && hour < past.toHour) return Math.round(about * past.callsPerMinute);
  // At other hours just enough that the hour is not empty.
  return atMs % HOUR_MS === 0 ? 1 : 0;
}

function planCall(feature: Feature, atMs: number, answers: number, pace: Pace): PlannedCall {
  const input = answers * pace.inputTokens;
  return {
    atMs,
    principal: feature.principal,
    trouble: null,
    reporting: "once",
    inputTokens: input,
    outputTokens: answers * pace.outputTokens,
    intent: {
      id: `warm-up-${atMs}`,
      attribution: attributionOf(feature),
      operation: "chat",
      model: feature.models[0]?.[0],
      task: feature.task,
      tokens: { input, outputMax: feature.outputMax, n: answers },
      data: { sensitivity: feature.sensitivity },
    },
  };
}
