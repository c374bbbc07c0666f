import { extname } from "node:path";
import { Worker } from "node:worker_threads";

import { WeirError } from "../../engine/errors.ts";
import { type BundleArchive, bundleFiles } from "./archive.ts";
import { Progress, whenOverdue } from "./progress.ts";
import { SMOKE } from "./smoke.ts";
import type { TrialResult, TrialTask } from "./trial-worker.ts";

export interface TrialOptions {
  readonly nowMs: number;
  /** Policy inputs of decisions made lately, tried too. */
  readonly recent?: readonly string[];
  /** Inputs drawn from the bundle's own teams and models. */
  readonly samples?: number | undefined;
  /** Longest evaluation. */
  readonly deadlineMs?: number;
}

const SAMPLES = 400;
/** As the watchdog of a service has it: what would end the service does not get into it. */
const DEADLINE_MS = 1_000;
const OPENING_MS = 60_000;
const NAME_BYTES = 1_024;
/** The memory of a module is capped apart from it, at 128 MiB. */
const HEAP_MIB = 512;

/**
 * Opens a bundle in a worker and evaluates its smoke cases, recent inputs and samples there. A bundle
 * that does not open, fails, decides a case otherwise, takes too long or too much memory is
 * `bundle.invalid`, naming the input. Resolves to the number of inputs tried.
 */
export async function tryBundle(files: BundleArchive, options: TrialOptions): Promise<number> {
  const progress = Progress.allocate(NAME_BYTES);
  const task: TrialTask = {
    files: bundleFiles(files),
    nowMs: options.nowMs,
    progress,
    recent: options.recent ?? [],
    samples: options.samples ?? SAMPLES,
    smoke: files.get(SMOKE)?.toString("utf8") ?? null,
  };
  const worker = new Worker(new URL(`./trial-worker${extname(import.meta.url)}`, import.meta.url), {
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    workerData: task,
  });
  try {
    const { inputs, refusal } = await Promise.race([
      resultOf(worker),
      overdue(new Progress(progress), options.deadlineMs ?? DEADLINE_MS, worker),
    ]);
    if (refusal !== null) throw new WeirError("bundle.invalid", refusal);
    return inputs;
  } finally {
    await worker.terminate();
  }
}

function resultOf(worker: Worker): Promise<TrialResult> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ERR_WORKER_OUT_OF_MEMORY") {
        const refusal = `it takes more than ${HEAP_MIB} MiB of memory to open`;
        resolve({ inputs: 0, refusal });
      } else reject(cause);
    });
  });
}

/** Resolves once one evaluation, or opening the bundle, takes longer than it may. */
function overdue(progress: Progress, deadlineMs: number, worker: Worker): Promise<TrialResult> {
  return new Promise((resolve) => {
    const refuse = (refusal: string) => resolve({ inputs: 0, refusal });
    const stopLooking = whenOverdue(progress, deadlineMs, () =>
      refuse(`${progress.latest.name}: the evaluation does not end within ${deadlineMs} ms`),
    );
    const timer = setTimeout(() => {
      if (progress.begun === 0) refuse(`it does not open within ${OPENING_MS} ms`);
    }, OPENING_MS);
    worker.once("exit", () => {
      stopLooking();
      clearTimeout(timer);
    });
  });
}
