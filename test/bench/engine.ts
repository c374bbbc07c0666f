import { performance } from "node:perf_hooks";

import { RandomIds } from "../../adapters/system/ids.ts";
import type { Ports } from "../../engine/ports.ts";
import { LOCAL, openTestEngine, START_MS, type TestEngine } from "../support/engine.ts";
import { intentOf, reportOf, roomy } from "./calls.ts";

/** A whole engine on a folder of its own, its log forced to disk as the service ships it. */
export function openBenchEngine(
  change: (ports: Ports) => Partial<Ports> = () => ({}),
): Promise<TestEngine> {
  return openTestEngine({
    ports: (ports) => {
      const changed = { bundles: roomy(ports.bundles), ids: new RandomIds() };
      return { ...changed, ...change({ ...ports, ...changed }) };
    },
    sync: "interval",
  });
}

/** Calls one after the other on a clock that moves as if they came at a steady rate. */
export interface Course {
  readonly count: number;
  readonly inFlight: number;
  readonly callsPerSecond: number;
  /** Told the number of calls done, after each. */
  readonly onDone?: (done: number) => Promise<void> | void;
}

export interface Driven {
  /** Decision and final report together, of each call, microseconds. */
  readonly latencies: Float64Array;
  readonly totalMs: number;
}

/** Decides and reports call by call on one engine; the calls continue where the last course ended. */
export class Driver {
  readonly engine: TestEngine;
  #next = 0;
  #elapsedMs = 0;
  #sweptMs = START_MS;

  constructor(engine: TestEngine) {
    this.engine = engine;
  }

  async drive(course: Course): Promise<Driven> {
    const latencies = new Float64Array(course.count);
    let started = 0;
    let done = 0;
    const worker = async (): Promise<void> => {
      while (started < course.count) {
        const slot = started;
        started += 1;
        const startMs = performance.now();
        await this.#call(course);
        latencies[slot] = (performance.now() - startMs) * 1_000;
        done += 1;
        if (course.onDone !== undefined) await course.onDone(done);
      }
    };
    const startMs = performance.now();
    await Promise.all(Array.from({ length: course.inFlight }, worker));
    return { latencies, totalMs: performance.now() - startMs };
  }

  async #call(course: Course): Promise<void> {
    const { clock, weir } = this.engine;
    const index = this.#next;
    this.#next += 1;
    this.#elapsedMs += 1_000 / course.callsPerSecond;
    const nowMs = START_MS + Math.floor(this.#elapsedMs);
    clock.set(nowMs);
    if (nowMs - this.#sweptMs >= 1_000) {
      this.#sweptMs = nowMs;
      await weir.sweep();
    }
    const decision = await weir.decide(intentOf(index), LOCAL);
    if (decision.effect !== "allow" || decision.reasons.length > 0 || decision.replayed) {
      throw new Error(`call ${index} is not plainly allowed: ${JSON.stringify(decision)}`);
    }
    const { status } = await weir.report(reportOf(index, decision.id), LOCAL);
    if (status !== "settled") throw new Error(`report of call ${index} is ${status}`);
  }
}
