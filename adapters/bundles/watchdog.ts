import { extname } from "node:path";
import { Worker } from "node:worker_threads";

import type { Evaluator } from "../../engine/policy/evaluate.ts";
import { Progress } from "./progress.ts";
import type { WatchdogTask } from "./watchdog-worker.ts";

/** Watches every evaluation of a process. */
export interface Watchdog {
  /** The same policy, watched; an evaluation costs under a microsecond more. */
  guard(policy: Evaluator, digest: string): Evaluator;
  stop(): Promise<void>;
}

/** Longest evaluation; a usual one takes a ten-thousandth of it. */
const LIMIT_MS = 1_000;
const TEXT_BYTES = 256 * 1024;

/**
 * Starts a thread that ends the process when one evaluation takes a second: a module that runs cannot
 * be interrupted, and until it ends nobody gets an answer. The bundle goes into quarantine first, so
 * the next start uses the one before it.
 */
export function startWatchdog(folder: string): Watchdog {
  const shared = Progress.allocate(TEXT_BYTES);
  const progress = new Progress(shared);
  const url = new URL(`./watchdog-worker${extname(import.meta.url)}`, import.meta.url);
  const workerData: WatchdogTask = { folder, limitMs: LIMIT_MS, progress: shared };
  const worker = new Worker(url, { execArgv: [], workerData });
  worker.unref();
  return {
    guard: (policy, digest) => ({
      evaluate(inputText) {
        progress.begin(digest, inputText);
        const evaluated = policy.evaluate(inputText);
        progress.end();
        return evaluated;
      },
    }),
    stop: async () => void (await worker.terminate()),
  };
}
