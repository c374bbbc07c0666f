import { loadConfig } from "../../adapters/config.ts";
import {
  ACCESS_LOG,
  ACCESS_LOG_METHODS,
  AUTHORIZATION,
  AUTHORIZATION_METHODS,
} from "../../adapters/envoy/definition.ts";
import { ROUTE_HEADER, setHeaders } from "../../adapters/envoy/headers.ts";
import { type HostedService, hostServices } from "../../adapters/grpc/host.ts";
import { createKey } from "../../adapters/keys/keys.ts";
import { startService } from "../../adapters/serve.ts";
import { openLocalStorage } from "../../adapters/serve/local-storage.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import { roomy } from "./calls.ts";

/**
 * Run as a process: what Envoy asks, on a free port until its parent closes the channel. "weir" is the whole
 * service; "allow" says yes to everything without looking at it.
 */
const [kind, folder] = process.argv.slice(2) as ["weir" | "allow", string];
const { key, port, stop } = kind === "weir" ? await serveWeir(folder) : await serveAllow();

process.on("message", (question: "cpu" | "memory") => {
  if (question === "memory") {
    globalThis.gc?.();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    process.send?.(heapUsed + arrayBuffers);
    return;
  }
  const { system, user } = process.cpuUsage();
  process.send?.(system + user);
});
process.on("disconnect", () => void stop().then(() => process.exit(0)));
process.send?.({ key, port });

async function serveWeir(data: string) {
  const free = "127.0.0.1:0";
  const flags = { data, "envoy-listen": free, "grpc-listen": free, "http-listen": free };
  const config = await loadConfig({ cwd: data, env: {}, flags });
  const made = { note: "bench", now: Date.now(), principal: "search-service" };
  const { secret } = await createKey(config.data, made);
  const onFault = (fault: Error): void => console.error(fault);
  const storage = await openLocalStorage(config, systemClock, onFault);
  const service = await startService(config, {
    onFault,
    storage: { ...storage, bundles: roomy(storage.bundles) },
  });
  return { key: secret, port: service.envoy?.port ?? 0, stop: () => service.stop() };
}

async function serveAllow() {
  const yes = {
    okResponse: { headers: setHeaders({ [ROUTE_HEADER]: "openai" }) },
    status: { code: 0 },
  };
  const services = [
    {
      definition: AUTHORIZATION_METHODS,
      handlers: {
        Check: (_: unknown, answer: (error: null, response: object) => void) => answer(null, yes),
      },
      name: AUTHORIZATION,
    },
    {
      definition: ACCESS_LOG_METHODS,
      handlers: {
        StreamAccessLogs: (
          call: NodeJS.ReadableStream,
          answer: (error: null, response: object) => void,
        ) => call.on("end", () => answer(null, {})).resume(),
      },
      name: ACCESS_LOG,
    },
  ] as unknown as readonly HostedService[];
  const limits = { inFlightMax: 65_536, messageBytesMax: 16 * 1024 * 1024 };
  const server = await hostServices({ host: "127.0.0.1", port: 0, ...limits }, () => services);
  return { key: "", port: server.port, stop: () => server.drain(1_000) };
}
