import { performance } from "node:perf_hooks";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import type { WeirClient } from "../../adapters/grpc/client.ts";
import { weir } from "../../proto/gen/weir.js";
import { messageOf } from "./calls.ts";

/** Sends a call every so often, whether those before it have ended or not. */
export class SteadyLoad {
  readonly #client: WeirClient;
  readonly #betweenMs: number;
  readonly #name: string;
  #next = 0;

  /** `name` tells its calls from those of another load. */
  constructor(client: WeirClient, callsPerSecond: number, name = "call") {
    this.#client = client;
    this.#name = name;
    this.#betweenMs = 1_000 / callsPerSecond;
  }

  /** Until something has ended; every call has to be allowed. */
  async during(work: Promise<unknown>) {
    const over = new AbortController();
    const ended = work.finally(() => over.abort());
    const latencies: number[] = [];
    const calls: Promise<void>[] = [];
    const startMs = performance.now();
    while (!over.signal.aborted) {
      const dueMs = startMs + calls.length * this.#betweenMs;
      const aheadMs = dueMs - performance.now();
      // Behind, it catches up, and lets answers come in between.
      await (aheadMs > 0 ? sleep(aheadMs) : turn());
      calls.push(this.#call(dueMs, latencies));
    }
    await Promise.all([ended, ...calls]);
    return { latencies: Float64Array.from(latencies), totalMs: performance.now() - startMs };
  }

  /** Latency counts from when the call was due: what waits for a stall is slowed too. */
  async #call(dueMs: number, latencies: number[]): Promise<void> {
    const message = { ...messageOf(this.#next), id: `${this.#name}-${this.#next}` };
    this.#next += 1;
    const { effect } = await this.#client.decide(message);
    latencies.push((performance.now() - dueMs) * 1_000);
    if (effect !== weir.v1.Effect.EFFECT_ALLOW) throw new Error(`${message.id} is not allowed`);
  }
}
