import { performance } from "node:perf_hooks";

import { decisionId } from "../../engine/decision/decision-id.ts";
import { type Context, inputText, planOption } from "../../engine/decision/judge.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import type { Verdict } from "../../engine/policy/verdict.ts";
import { identify, reserveRequest } from "../../engine/reservation/request.ts";
import { LOCAL, type TestEngine } from "../support/engine.ts";
import { intentOf, overkillOf, wrongOf } from "./calls.ts";
import { Driver, openBenchEngine } from "./engine.ts";
import { type Bench, type BenchOptions, type Measured, quantile, round, rowOf } from "./row.ts";

interface Evaluation {
  readonly name: string;
  readonly what: string;
  readonly targetUs: number;
  readonly intent: (index: number) => RawIntent;
  readonly isMeant: (verdict: Verdict) => boolean;
}

const INPUTS = 200;
const WARM_STATE_CALLS = 3_000;
const FIRST_INDEX = 1_000_000;
const ROUNDS = { full: 100, quick: 5, warmUp: 10 };

/** The shipped policy on inputs that real decisions built: text of the input made, verdict read back. */
export const EVALUATIONS: readonly Bench[] = [
  {
    name: "evaluate_allow",
    what: "evaluation of a call that is allowed",
    targetUs: 60,
    intent: (index: number) => intentOf(FIRST_INDEX + index),
    isMeant: (verdict: Verdict) => verdict.effect === "allow" && verdict.reasons.length === 0,
  },
  {
    name: "evaluate_reroute",
    what: "evaluation that names cheaper models",
    targetUs: 110,
    intent: (index: number) => overkillOf(FIRST_INDEX + index),
    isMeant: (verdict: Verdict) => verdict.routes.length > 0,
  },
  {
    name: "evaluate_deny",
    what: "evaluation with three or more reasons to block",
    targetUs: 110,
    intent: (index: number) => wrongOf(FIRST_INDEX + index),
    isMeant: (verdict: Verdict) => verdict.effect === "block" && verdict.reasons.length >= 3,
  },
].map((evaluation) => ({
  name: evaluation.name,
  run: (options) => measure(evaluation, options),
  target: `p50 ≤ ${evaluation.targetUs} µs`,
  what: evaluation.what,
}));

async function measure(evaluation: Evaluation, options: BenchOptions): Promise<Measured> {
  const contexts = await capture(evaluation);
  const rounds = options.quick ? ROUNDS.quick : ROUNDS.full;
  run(contexts, ROUNDS.warmUp);
  const { latencies, textUs, totalMs } = run(contexts, rounds);
  const text = textOf(contexts[0] as Context);
  const verdict = contexts[0]?.bundle.policy.evaluate(text).text?.text ?? "";
  const note =
    `input ${text.length} B, ${round(quantile(textUs.toSorted(), 0.5))} µs to write; ` +
    `verdict ${verdict.length} B; ${latencies.length} runs over ${contexts.length} inputs`;
  const row = rowOf(evaluation.name, latencies, totalMs, note);
  return { met: row.p50_us <= evaluation.targetUs, row };
}

function run(contexts: readonly Context[], rounds: number) {
  const latencies = new Float64Array(contexts.length * rounds);
  const textUs = new Float64Array(latencies.length);
  const startMs = performance.now();
  for (let index = 0; index < latencies.length; index += 1) {
    const context = contexts[index % contexts.length] as Context;
    const beginMs = performance.now();
    const text = textOf(context);
    const writtenMs = performance.now();
    context.bundle.policy.evaluate(text);
    const endMs = performance.now();
    latencies[index] = (endMs - beginMs) * 1_000;
    textUs[index] = (writtenMs - beginMs) * 1_000;
  }
  return { latencies, textUs, totalMs: performance.now() - startMs };
}

function textOf(context: Context): string {
  return inputText(context, context.asked, context.snapshot);
}

/** What calls of this kind are judged on, reserved on a state with traffic in it. */
async function capture(evaluation: Evaluation): Promise<readonly Context[]> {
  const engine = await openBenchEngine();
  try {
    const driver = new Driver(engine);
    await driver.drive({ callsPerSecond: 50, count: WARM_STATE_CALLS, inFlight: 16 });
    const contexts: Context[] = [];
    for (let index = 0; index < INPUTS; index += 1) {
      const context = await reserve(engine, evaluation.intent(index));
      const { fault, verdict } = context.bundle.policy.evaluate(textOf(context));
      if (verdict === null || !evaluation.isMeant(verdict)) {
        throw new Error(`${evaluation.name} evaluates to ${fault ?? JSON.stringify(verdict)}`);
      }
      contexts.push(context);
    }
    return contexts;
  } finally {
    await engine.close();
  }
}

/** A call as far as a decision has it when it asks the policy. */
async function reserve(engine: TestEngine, raw: RawIntent): Promise<Context> {
  const bundle = engine.ports.bundles.current();
  const intent = parseIntent(raw, LOCAL.principal);
  const nowMs = engine.clock.nowMs();
  const asked = planOption(intent, bundle, intent.model, nowMs);
  const id = decisionId(intent.tenant, nowMs, engine.ports.ids.random128());
  const ttlMs = bundle.data.limits.reservation_ttl_ms;
  const request = reserveRequest(intent, identify(intent), asked, {
    force: false,
    id,
    nowMs,
    ttlMs,
  });
  const reply = await engine.store.reserve(request);
  if (reply.kind !== "reserved") throw new Error(`intent ${intent.id} is ${reply.kind}`);
  await engine.store.abandon(id, nowMs);
  const { forced, held, snapshot, stateSequence } = reply;
  const decision = { decisionId: id, mode: "enforce", nowMs } as const;
  return { ...decision, asked, bundle, forced, held, intent, snapshot, stateSequence };
}
