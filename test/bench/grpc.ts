import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { connect, type WeirClient } from "../../adapters/grpc/client.ts";
import { weir } from "../../proto/gen/weir.js";
import { messageOf } from "./calls.ts";
import { Child } from "./child.ts";
import { dearestOf, type Profile, sharesOf } from "./profile.ts";
import { type Bench, type BenchOptions, type Measured, rowOf } from "./row.ts";

interface Shape {
  readonly name: string;
  readonly what: string;
  readonly server: "weir" | "empty";
  readonly stream: boolean;
  readonly inFlight: number;
  /** Calls per second to reach; null for none. */
  readonly least: number | null;
}

const IN_FLIGHT_ON_STREAM = 128;
const SHAPES: readonly Shape[] = [
  unary("weir", 1, null),
  unary("weir", 32, 2_500),
  unary("weir", 128, null),
  unary("empty", 32, null),
  stream("weir", 6_000),
  stream("empty", null),
];

/** Decisions over gRPC, the service in a process of its own on the same machine as the client. */
export const GRPC: readonly Bench[] = SHAPES.map((shape) => ({
  name: shape.name,
  run: (options) => measure(shape, options),
  target: shape.least === null ? "" : `≥ ${shape.least.toLocaleString("en-US")}/s`,
  what: shape.what,
}));

function unary(server: Shape["server"], inFlight: number, least: number | null): Shape {
  const what =
    server === "weir"
      ? `Decide, ${inFlight} at a time`
      : `the same calls, answered by an empty handler`;
  const name = server === "weir" ? `grpc_unary_c${inFlight}` : `grpc_empty_c${inFlight}`;
  return { inFlight, least, name, server, stream: false, what };
}

function stream(server: Shape["server"], least: number | null): Shape {
  const what =
    server === "weir"
      ? "DecideStream, one stream"
      : "the same stream, answered by an empty handler";
  const name = server === "weir" ? "grpc_stream" : "grpc_empty_stream";
  return { inFlight: IN_FLIGHT_ON_STREAM, least, name, server, stream: true, what };
}

const SECONDS = {
  full: { measured: 8, profiled: 4, warmUp: 4 },
  quick: { measured: 1, profiled: 0.5, warmUp: 0.5 },
};

async function measure(shape: Shape, options: BenchOptions): Promise<Measured> {
  const seconds = options.quick ? SECONDS.quick : SECONDS.full;
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const server = new Child("server.ts", [shape.server, folder]);
  try {
    const port = await server.ask<number>();
    const client = connect({ address: `127.0.0.1:${port}` });
    const load = new Load(client, shape);
    await load.run(seconds.warmUp);
    const cpuBefore = await server.ask<number>("cpu");
    const { latencies, totalMs } = await load.run(seconds.measured);
    const cpuUs = (await server.ask<number>("cpu")) - cpuBefore;
    await server.ask("profile");
    await load.run(seconds.profiled);
    const profile = await server.ask<Profile>("profiled");
    await load.end();
    client.close();
    const parts = shape.server === "weir" ? WEIR_PARTS : EMPTY_PARTS;
    const note =
      `${shape.inFlight} in flight; ${Math.round(cpuUs / latencies.length)} µs CPU each in the server: ` +
      sharesOf(profile, parts);
    const row = rowOf(shape.name, latencies, totalMs, note);
    if (shape.least === null) return { met: null, row };
    if (row.per_second >= shape.least) return { met: true, row };
    return { met: false, row: { ...row, note: `${note}; dearest: ${dearestOf(profile)}` } };
  } finally {
    await server.close();
    rmSync(folder, { force: true, recursive: true });
  }
}

const WEIR_PARTS = ["codec", "grpc", "evaluation", "state", "log", "gc"] as const;
const EMPTY_PARTS = ["codec", "grpc", "gc"] as const;

/** Keeps a fixed number of calls in flight. */
class Load {
  readonly #inFlight: number;
  readonly #decide: WeirClient["decide"];
  readonly end: () => Promise<void>;
  #next = 0;

  constructor(client: WeirClient, shape: Shape) {
    this.#inFlight = shape.inFlight;
    if (shape.stream) {
      const opened = client.decideStream();
      this.#decide = (intent) => opened.decide(intent);
      this.end = () => opened.end();
    } else {
      this.#decide = (intent) => client.decide(intent);
      this.end = () => Promise.resolve();
    }
  }

  async run(seconds: number) {
    const latencies: number[] = [];
    const startMs = performance.now();
    const endMs = startMs + seconds * 1_000;
    const worker = async (): Promise<void> => {
      for (;;) {
        const message = messageOf(this.#next);
        this.#next += 1;
        const beginMs = performance.now();
        if (beginMs >= endMs) return;
        const decision = await this.#decide(message);
        latencies.push((performance.now() - beginMs) * 1_000);
        if (decision.effect !== weir.v1.Effect.EFFECT_ALLOW || decision.reasons.length > 0) {
          throw new Error(`${message.id} is not plainly allowed: ${JSON.stringify(decision)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#inFlight }, worker));
    return { latencies: Float64Array.from(latencies), totalMs: performance.now() - startMs };
  }
}
