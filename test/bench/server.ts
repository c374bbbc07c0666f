import { Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";

import { loadConfig } from "../../adapters/config.ts";
import type { Outgoing } from "../../proto/codec.ts";
import { SERVER_METHODS } from "../../adapters/grpc/definition.ts";
import { openLocalStorage } from "../../adapters/serve/local-storage.ts";
import { startService } from "../../adapters/serve.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import type { Encodable, weir } from "../../proto/gen/weir.js";
import { roomy } from "./calls.ts";
import { CpuProfiler } from "./profile.ts";

/**
 * Run as a process: serves gRPC on a free port until its parent closes the channel, and answers the
 * parent's questions. "weir" is the whole service, "bundle" the same on the bundle named third and the state
 * named fourth; "empty" answers a decision without making one.
 */
const onFault = (fault: Error) => console.error(fault);
type Kind = "bundle" | "empty" | "weir";
const [kind, folder, bundle = "", state = "memory"] = process.argv.slice(2) as [
  Kind,
  string,
  string?,
  string?,
];
const { port, stop } = await serve();
const profiler = new CpuProfiler();

process.on("message", (question: "cpu" | "profile" | "profiled") => {
  void answer(question).then((answered) => process.send?.(answered));
});
process.on("disconnect", () => void stop().then(() => process.exit(0)));
process.send?.(port);

function serve() {
  if (kind === "empty") return serveEmpty();
  return kind === "weir" ? serveWeir(folder) : serveBundle(folder);
}

async function answer(question: "cpu" | "profile" | "profiled") {
  switch (question) {
    case "cpu": {
      const { system, user } = process.cpuUsage();
      return system + user;
    }
    case "profile":
      await profiler.start();
      return null;
    case "profiled":
      return profiler.stop();
  }
}

function configOf(data: string, more: Readonly<Record<string, string>> = {}) {
  const flags = { data, "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", ...more };
  return loadConfig({ cwd: data, env: {}, flags });
}

async function serveBundle(data: string) {
  const service = await startService(
    await configOf(data, {
      bundle,
      "in-flight-max": "100000",
      state,
      "state-timeout": "20s",
    }),
    { onFault },
  );
  return { port: service.grpc.port, stop: () => service.stop() };
}

async function serveWeir(data: string) {
  const config = await configOf(data);
  const storage = await openLocalStorage(config, systemClock, onFault);
  const service = await startService(config, {
    onFault,
    storage: { ...storage, bundles: roomy(storage.bundles) },
  });
  return { port: service.grpc.port, stop: () => service.stop() };
}

/** The server of the same library with the same messages and a handler that does nothing. */
async function serveEmpty() {
  const server = new Server();
  const outgoing = (
    message: Encodable<weir.v1.DecideStreamResponse>,
  ): Outgoing<weir.v1.DecideStreamResponse> => ({
    message,
    sent: false,
  });
  server.addService(SERVER_METHODS as unknown as ServiceDefinition, {
    Decide: (_call: unknown, callback: (error: null, answer: unknown) => void) =>
      callback(null, outgoing({ decision: DECISION })),
    DecideStream: (call: NodeJS.EventEmitter & { write(message: unknown): void; end(): void }) => {
      call.on("data", ({ tag }: weir.v1.DecideStreamRequest) =>
        call.write(outgoing({ decision: DECISION, tag })),
      );
      call.on("end", () => call.end());
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, free) => {
      if (error === null) resolve(free);
      else reject(error);
    });
  });
  return { port: bound, stop: () => Promise.resolve(server.forceShutdown()) };
}

/** As long as an ordinary answer. */
const DECISION: Encodable<weir.v1.Decision> = {
  bundleDigest: "0".repeat(64),
  bundleRevision: "starter",
  decidedAtMs: 1_795_694_400_000,
  effect: 1,
  estimate: {
    ceilingMicroUsd: 1_400,
    expectedMicroUsd: 1_100,
    outputTokensMax: 500,
    p95MicroUsd: 1_400,
    priced: true,
  },
  expiresAtMs: 1_795_694_520_000,
  id: "acme:0000019ab0000000:00000000000000000000000000000000",
  mode: 1,
  model: "openai:gpt-5-mini",
  obligations: {},
  reasons: [],
  replayed: false,
  retryAfterMs: 0,
  wouldBe: 0,
};
