/** Tries a bundle, away from the thread that decides; see `trial.ts`. */
import { parentPort, workerData } from "node:worker_threads";

import { type SampleInput, sampleInputs } from "../../engine/decision/sample-inputs.ts";
import { WeirError } from "../../engine/errors.ts";
import { type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import { readSmokeCases, type SmokeCase } from "./smoke.ts";
import { Progress } from "./progress.ts";

export interface TrialTask {
  readonly files: BundleFiles;
  /** Text of `smoke.json`; null: there is none. */
  readonly smoke: string | null;
  /** Policy inputs of decisions made lately. */
  readonly recent: readonly string[];
  readonly samples: number;
  readonly nowMs: number;
  readonly progress: SharedArrayBuffer;
}

/** null: the bundle passed; otherwise what is wrong with it. */
export interface TrialResult {
  readonly refusal: string | null;
  readonly inputs: number;
}

type Case = SmokeCase | (SampleInput & { readonly effect?: undefined });

const task = workerData as TrialTask;
const say = (result: TrialResult): void => parentPort?.postMessage(result, []);
try {
  say({ refusal: null, inputs: run(task) });
} catch (thrown) {
  const { message } = WeirError.from(thrown);
  const refusal = thrown instanceof WeirError ? message : `it cannot be tried: ${String(thrown)}`;
  say({ refusal, inputs: 0 });
}

function run({ files, nowMs, progress, recent, samples, smoke }: TrialTask): number {
  const seen = new Progress(progress);
  const bundle = openBundle(files);
  const cases: Case[] = smoke === null ? [] : [...readSmokeCases(smoke)];
  for (const [index, text] of recent.entries()) {
    cases.push({ name: `recent input ${index + 1} of ${recent.length}`, text });
  }
  const drawn = sampleInputs(bundle, nowMs);
  for (let count = 0; count < samples; count += 1) {
    const next = drawn.next();
    if (next.done === true) break;
    cases.push({ name: `sample ${count + 1}, ${next.value.name}`, text: next.value.text });
  }
  for (const { effect, name, text } of cases) {
    seen.begin(name);
    const { fault, verdict } = bundle.policy.evaluate(text);
    seen.end();
    if (fault !== null)
      throw new WeirError("bundle.invalid", `${name}: the policy failed: ${fault}`);
    if (typeof effect === "string" && verdict.effect !== effect) {
      const message = `${name}: the effect is ${verdict.effect}, it has to be ${effect}`;
      throw new WeirError("bundle.invalid", message);
    }
  }
  return cases.length;
}
