import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";

import type { CanaryStatus } from "../../engine/operator/bundles.ts";
import { bundleDigest } from "../../engine/policy/bundle.ts";
import type { Evaluated, Evaluator } from "../../engine/policy/evaluate.ts";
import { type BundleArchive, bundleFiles } from "./archive.ts";
import type { CanaryReply, CanaryTask, Judged } from "./canary-worker.ts";
import { Progress, whenOverdue } from "./progress.ts";

/** A second bundle that judges what the first one judges, and decides nothing. */
export interface Canary {
  /** The same policy; the canary gets what it was asked and what it said. */
  watch(policy: Evaluator, digest: string): Evaluator;
  status(): CanaryStatus;
  stop(): Promise<void>;
}

const BATCH = 64;
/** What waits to be judged; what comes while so much waits is not judged, and counted. */
const QUEUE_MAX = 1_024;
const LIMIT_MS = 5_000;
const NAME_BYTES = 1_024;
const HEAP_MIB = 512;

/**
 * Starts a thread that judges with a bundle from `source`. Whatever goes wrong in it stops the canary
 * alone, an evaluation that takes `limitMs` too. `folder` is where bundles are kept: differences go to
 * `canary/DIGEST.jsonl` in it.
 */
export function startCanary(
  source: string,
  archive: BundleArchive,
  folder: string,
  limitMs = LIMIT_MS,
): Canary {
  const files = bundleFiles(archive);
  const digest = bundleDigest(files);
  const { revision = "" } = JSON.parse(files.manifest) as { readonly revision?: string };
  const file = join(folder, "canary", `${digest}.jsonl`);
  return new RunningCanary({ digest, revision, source }, { file, files }, limitMs);
}

/** A canary that could not start. */
export function failedCanary(source: string, why: string): Canary {
  const none = { differences: 0, digest: "", dropped: 0, judged: 0, revision: "" };
  return {
    status: () => ({ ...none, source, stopped: why }),
    stop: () => Promise.resolve(),
    watch: (policy) => policy,
  };
}

type Named = Pick<CanaryStatus, "digest" | "revision" | "source">;

class RunningCanary implements Canary {
  readonly #named: Named;
  readonly #worker: Worker;
  readonly #stopLooking: () => void;
  #queue: Judged[] = [];
  #busy = false;
  #scheduled = false;
  #judged = 0;
  #differences = 0;
  #dropped = 0;
  #stopped = "";

  constructor(named: Named, task: Omit<CanaryTask, "progress">, limitMs: number) {
    this.#named = named;
    const progress = Progress.allocate(NAME_BYTES);
    const url = new URL(`./canary-worker${extname(import.meta.url)}`, import.meta.url);
    const workerData: CanaryTask = { ...task, progress };
    const resourceLimits = { maxOldGenerationSizeMb: HEAP_MIB };
    this.#worker = new Worker(url, { execArgv: [], resourceLimits, workerData });
    this.#worker.unref();
    this.#worker.on("message", (reply: CanaryReply) => this.#hear(reply));
    this.#worker.on("error", (cause) => this.#end(`its thread failed: ${String(cause)}`));
    this.#stopLooking = whenOverdue(new Progress(progress), limitMs, () => {
      this.#end(`an evaluation did not end within ${limitMs} ms`);
    });
  }

  watch(policy: Evaluator, digest: string): Evaluator {
    return {
      evaluate: (input) => {
        const evaluated = policy.evaluate(input);
        this.#offer(input, evaluated, digest);
        return evaluated;
      },
    };
  }

  status(): CanaryStatus {
    return {
      ...this.#named,
      differences: this.#differences,
      dropped: this.#dropped,
      judged: this.#judged,
      stopped: this.#stopped,
    };
  }

  async stop(): Promise<void> {
    this.#stopLooking();
    await this.#worker.terminate();
  }

  #offer(input: string, { text }: Evaluated, digest: string): void {
    if (this.#stopped !== "") return;
    if (this.#queue.length >= QUEUE_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push({ digest, input, verdict: text?.text ?? null });
    if (this.#busy || this.#scheduled) return;
    // After the decisions of this turn.
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#busy || this.#queue.length === 0 || this.#stopped !== "") return;
    this.#busy = true;
    this.#worker.postMessage(this.#queue.splice(0, BATCH), []);
  }

  #hear(reply: CanaryReply): void {
    if (reply.kind === "stopped") return this.#end(reply.why);
    this.#judged += reply.judged;
    this.#differences += reply.differences;
    this.#busy = false;
    this.#send();
  }

  #end(why: string): void {
    this.#stopped = why;
    this.#queue = [];
    void this.stop();
  }
}
