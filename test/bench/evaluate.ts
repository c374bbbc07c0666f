import { performance } from "node:perf_hooks";

import type { RawIntent } from "../../engine/intent/intent.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import type { Evaluator } from "../../engine/policy/evaluate.ts";
import type { Verdict } from "../../engine/policy/verdict.ts";
import type { BundleSource } from "../../engine/ports.ts";
import { LOCAL } from "../support/engine.ts";
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
  const { evaluator, inputs } = await capture(evaluation);
  const rounds = options.quick ? ROUNDS.quick : ROUNDS.full;
  run(evaluator, inputs, ROUNDS.warmUp);
  const { latencies, textUs, totalMs } = run(evaluator, inputs, rounds);
  const text = JSON.stringify(inputs[0]);
  const verdict = evaluator.evaluate(text).text?.text ?? "";
  const note =
    `input ${text.length} B, of it ${round(quantile(textUs.toSorted(), 0.5))} µs to write; ` +
    `verdict ${verdict.length} B; ${latencies.length} runs over ${inputs.length} inputs`;
  const row = rowOf(evaluation.name, latencies, totalMs, note);
  return { met: row.p50_us <= evaluation.targetUs, row };
}

function run(evaluator: Evaluator, inputs: readonly unknown[], rounds: number) {
  const latencies = new Float64Array(inputs.length * rounds);
  const textUs = new Float64Array(latencies.length);
  const startMs = performance.now();
  for (let index = 0; index < latencies.length; index += 1) {
    const beginMs = performance.now();
    const text = JSON.stringify(inputs[index % inputs.length]);
    const writtenMs = performance.now();
    evaluator.evaluate(text);
    const endMs = performance.now();
    latencies[index] = (endMs - beginMs) * 1_000;
    textUs[index] = (writtenMs - beginMs) * 1_000;
  }
  return { latencies, textUs, totalMs: performance.now() - startMs };
}

/** The inputs that decisions of this kind evaluate for the model asked, on a state with traffic in it. */
async function capture(evaluation: Evaluation) {
  const texts: string[] = [];
  const engine = await openBenchEngine((ports) => ({ bundles: listening(ports.bundles, texts) }));
  try {
    const driver = new Driver(engine);
    await driver.drive({ callsPerSecond: 50, count: WARM_STATE_CALLS, inFlight: 16 });
    const { policy } = engine.ports.bundles.current();
    const inputs: unknown[] = [];
    for (let index = 0; index < INPUTS; index += 1) {
      texts.length = 0;
      await engine.weir.decide(evaluation.intent(index), LOCAL);
      const text = texts[0] ?? "";
      const { fault, verdict } = policy.evaluate(text);
      if (verdict === null || !evaluation.isMeant(verdict)) {
        throw new Error(`${evaluation.name} evaluates to ${fault ?? JSON.stringify(verdict)}`);
      }
      inputs.push(JSON.parse(text));
    }
    const evaluator: Evaluator = {
      evaluate: (text) => shippedPolicy(engine.ports.bundles).evaluate(text),
    };
    return { evaluator, inputs };
  } finally {
    await engine.close();
  }
}

const HEARD = new WeakMap<Bundle, Evaluator>();

function shippedPolicy(bundles: BundleSource): Evaluator {
  const bundle = bundles.current();
  return HEARD.get(bundle) ?? bundle.policy;
}

/** The same bundles; every text the current one evaluates is noted. */
function listening(source: BundleSource, texts: string[]): BundleSource {
  const bundle = source.current();
  const policy: Evaluator = {
    evaluate: (text) => {
      texts.push(text);
      return bundle.policy.evaluate(text);
    },
  };
  const heard: Bundle = { ...bundle, policy };
  HEARD.set(heard, bundle.policy);
  return {
    byDigest: (digest) => (digest === heard.digest ? heard : source.byDigest(digest)),
    current: () => heard,
  };
}
