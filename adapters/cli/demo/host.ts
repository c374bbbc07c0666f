import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { WeirError } from "../../../engine/errors.ts";
import type { Bundle } from "../../../engine/policy/bundle.ts";
import type { LogLine } from "../../../engine/record/record.ts";
import type { Weir } from "../../../engine/weir.ts";
import { loadConfig } from "../../config.ts";
import { formatAddress } from "../../config/values.ts";
import { loadBundle } from "../../bundles/folder-bundles.ts";
import { readLog } from "../../embedded/segments.ts";
import { connect, type WeirClient } from "../../grpc/client.ts";
import { createKey, listKeys, revokeKey } from "../../keys/keys.ts";
import { startService } from "../../serve.ts";
import { dataLayout, openLocalStorage } from "../../serve/local-storage.ts";
import type { Storage } from "../../serve/storage.ts";
import { SteppedClock } from "../../system/clock.ts";
import { SeededIds } from "../../system/ids.ts";
import { Journal, markFolder } from "./journal.ts";
import { TRACE_START_MS } from "./mapping.ts";
import type { TraceCall } from "./trace.ts";
import { PRINCIPALS } from "./traffic.ts";
import { WARM_UP_MS } from "./warm-up.ts";

/** What a run of the demo is made of. */
export interface RunOptions {
  readonly data: string;
  readonly trace: readonly TraceCall[];
  readonly seed: number;
  readonly onFault: (error: WeirError) => void;
}

/** The service, hosted for the demo, with a connection for each of its callers. */
export interface Host {
  readonly weir: Weir;
  readonly state: Storage["state"];
  readonly bundle: Bundle;
  readonly clock: SteppedClock;
  readonly journal: Journal;
  /** Address that gRPC is served at. */
  readonly address: string;
  readonly client: (principal: string) => WeirClient;
  /** Stops the service; the log is whole after it. */
  close(): Promise<void>;
  /** The log, in order. */
  lines(): Generator<LogLine>;
}

// The stepped clock says when reservations end, so the service's own timer must not.
const NEVER_MS = 2 ** 31 - 1;
/** Real time: a loaded machine must not change what is decided. */
const CALL_TIMEOUT_MS = 120_000;

/** Opens the data folder and starts the service on it, on free ports of this machine. */
export async function openHost({ data, trace, seed, onFault }: RunOptions): Promise<Host> {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const flags = {
    data,
    "grpc-listen": "127.0.0.1:0",
    "http-listen": "127.0.0.1:0",
    "log-sync": "os",
  };
  const config = {
    ...(await loadConfig({ cwd: data, env: {}, flags })),
    sweepIntervalMs: NEVER_MS,
  };
  const bundle = loadBundle(config.bundle);
  markFolder(data, {
    bundle: bundle.digest.slice(0, 16),
    calls: trace.length,
    seed,
    trace: digestOf(trace),
  });
  const clock = new SteppedClock(TRACE_START_MS - WARM_UP_MS);
  const storage = await openLocalStorage(config, clock, onFault);
  // An earlier run's time is behind it: what it answered is not asked again.
  if (storage.lastMs > clock.nowMs()) clock.set(storage.lastMs);
  const lines = function* (): Generator<LogLine> {
    for (const { line } of readLog(dataLayout(data).log)) yield line;
  };
  const clients = new Map<string, WeirClient>();
  try {
    const journal = new Journal(lines());
    const keys = await makeKeys(data);
    const ids = new SeededIds(`demo:${seed}`);
    // One id was drawn for each decision of an earlier run.
    for (let drawn = 0; drawn < journal.size; drawn += 1) ids.random128();
    const service = await startService(config, { clock, ids, onFault, storage });
    const address = formatAddress(service.grpc);
    for (const [principal, key] of keys) {
      clients.set(principal, connect({ address, key, timeoutMs: CALL_TIMEOUT_MS }));
    }
    return {
      address,
      bundle,
      clock,
      journal,
      lines,
      state: storage.state,
      weir: service.weir,
      client: (principal) => clients.get(principal) as WeirClient,
      close: async () => {
        for (const client of clients.values()) client.close();
        await service.stop();
      },
    };
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

/** A key for each caller, by principal; those of an earlier run are revoked, for nobody knows them. */
async function makeKeys(data: string): Promise<ReadonlyMap<string, string>> {
  for (const { id, revokedAtMs } of listKeys(data)) {
    if (revokedAtMs === null) await revokeKey(data, id, Date.now());
  }
  const keys = new Map<string, string>();
  for (const principal of PRINCIPALS) {
    const { secret } = await createKey(data, { note: "demo", now: Date.now(), principal });
    keys.set(principal, secret);
  }
  return keys;
}

function digestOf(trace: readonly TraceCall[]): string {
  return createHash("sha256").update(JSON.stringify(trace)).digest("hex").slice(0, 16);
}

/** Where the trace that ships is. */
export const SHIPPED_TRACE = join(
  import.meta.dirname,
  "../../../examples/trace/azure-llm-2023-conversation-2000.csv",
);
