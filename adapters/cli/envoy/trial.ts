import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WeirError } from "../../../engine/errors.ts";
import { loadConfig, type Config } from "../../config.ts";
import { type Address, formatAddress } from "../../config/values.ts";
import { createKey } from "../../keys/keys.ts";
import { type Service, startService } from "../../serve.ts";
import { localConfiguration, type Profile } from "./configuration.ts";
import {
  type ProviderSimulator,
  SIMULATED_KEYS,
  startProviderSimulator,
} from "../simulator/provider-simulator.ts";
import { runEnvoy } from "./run-envoy.ts";

/** A client's side of a trial: a real Envoy, a simulated provider and Weir, all on this machine. */
export interface Trial {
  readonly config: Config;
  readonly service: Service;
  readonly simulator: ProviderSimulator;
  /** "http://127.0.0.1:PORT", where clients call. */
  readonly base: string;
  keyOf(principal: string): string;
  close(): Promise<void>;
}

/** Principals of the starter bundle that the trial calls as. */
const TRIAL_PRINCIPALS = ["search-service", "support-service"] as const;

/** What a trial is started with. */
export interface TrialOptions {
  readonly profile: Profile;
  /** Path of Envoy. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onFault: (error: WeirError) => void;
}

/** Starts everything on free ports, in a folder that is gone afterwards. */
export async function openTrial(options: TrialOptions): Promise<Trial> {
  const cwd = mkdtempSync(join(tmpdir(), "weir-envoy-try-"));
  const closers: (() => unknown)[] = [() => rmSync(cwd, { force: true, recursive: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    const free = "127.0.0.1:0";
    const flags = { "envoy-listen": free, "grpc-listen": free, "http-listen": free };
    const config = await loadConfig({ cwd, env: {}, flags });
    const keys = new Map<string, string>();
    for (const principal of TRIAL_PRINCIPALS) {
      const key = await createKey(config.data, { note: "trial", now: Date.now(), principal });
      keys.set(principal, key.secret);
    }
    const service = await startService(config, { onFault: options.onFault });
    closers.push(() => service.stop());
    const simulator = await startProviderSimulator();
    closers.push(() => simulator.close());
    const [listen, admin] = [await freeAddress(), await freeAddress()];
    const weir = service.envoy ?? admin;
    const places = { admin, listen, provider: simulator.address, weir };
    const envoy = await runEnvoy({
      admin,
      configuration: localConfiguration(options.profile, places),
      env: { ...options.env, ...providerKeys() },
      program: options.program,
    });
    closers.push(() => envoy.stop());
    return {
      base: `http://${formatAddress(listen)}`,
      close,
      config,
      keyOf: (principal) => keys.get(principal) ?? "",
      service,
      simulator,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** The provider keys, where the profiles look for them. */
function providerKeys(): Readonly<Record<string, string>> {
  return {
    ANTHROPIC_API_KEY: SIMULATED_KEYS.anthropic,
    GEMINI_API_KEY: SIMULATED_KEYS.google,
    MISTRAL_API_KEY: SIMULATED_KEYS.mistral,
    OPENAI_API_KEY: SIMULATED_KEYS.openai,
  };
}

/** A loopback address that nothing listens on now; Envoy cannot be asked which port it took. */
async function freeAddress(): Promise<Address> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const bound = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return { host: "127.0.0.1", port };
}
