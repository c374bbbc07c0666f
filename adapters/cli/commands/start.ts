import { inspect } from "node:util";
import type { WeirError } from "../../../engine/errors.ts";
import { type Config, loadConfig } from "../../config.ts";
import { formatAddress, formatDuration } from "../../config/values.ts";
import { type Service, startService } from "../../serve.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { formatBundle } from "../style.ts";
import type { Terminal } from "../terminal.ts";
import { readVersion } from "../../system/version.ts";

/** Runs the service until it is told to stop; resolves when everything is answered and flushed. */
export async function run({ settings, json, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const signal = firstSignal(terminal);
  const service = await startService(config, { onFault: (error) => noteFault(terminal, error) });
  const version = await readVersion();
  terminal.print(
    json ? startedJson(service, config, version) : startedText(service, config, version),
  );
  terminal.note(
    `${await signal}: answering what is in flight, at most ${formatDuration(config.drainTimeoutMs)}; once more stops at once`,
  );
  const clean = await service.stop();
  terminal.note(
    clean ? "stopped; the log is flushed" : "stopped; the drain timeout cut off what was left",
  );
  return clean ? EXIT.ok : EXIT.fault;
}

/** Resolves at the first signal to stop; from then on the next one ends the process at once. */
function firstSignal(terminal: Terminal): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let told = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (told) {
        terminal.note(`${signal} again: stopped at once`);
        process.exit(EXIT.fault);
      }
      told = true;
      resolve(signal);
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}

function startedText(service: Service, config: Config, version: string): string {
  const http = `http://${formatAddress(service.http)}`;
  return [
    `weir ${version} is ready; Ctrl-C drains and stops`,
    `  gRPC    ${formatAddress(service.grpc)}`,
    `  HTTP    ${http}  (/healthz, /readyz, /metrics, POST /v1/data/weir/decision)`,
    ...(service.envoy === null ? [] : [`  Envoy   ${formatAddress(service.envoy)}`]),
    `  data    ${config.data}`,
    `  bundle  ${formatBundle(service.bundle)}, from ${config.bundle}`,
    `  mode    ${config.mode}`,
    `  config  ${config.file ?? "defaults, flags and variables; no weir.yaml"}`,
  ].join("\n");
}

function startedJson(service: Service, config: Config, version: string): string {
  const { revision, digest } = service.bundle;
  return JSON.stringify({
    version,
    grpc: formatAddress(service.grpc),
    http: formatAddress(service.http),
    envoy: service.envoy === null ? null : formatAddress(service.envoy),
    data: config.data,
    bundle: { revision, digest, folder: config.bundle },
    mode: config.mode,
    config: config.file,
  });
}

function noteFault(terminal: Terminal, error: WeirError): void {
  const { cause } = error;
  const detail = cause === undefined ? "" : inspect(cause);
  terminal.note(
    `${new Date().toISOString()} ${error.code}: ${error.message}${detail && `: ${detail}`}`,
  );
}
