import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { FolderBundles } from "../../adapters/bundles/folder-bundles.ts";
import { SegmentLedger } from "../../adapters/embedded/ledger.ts";
import { type LogSync, SegmentedLog } from "../../adapters/embedded/log.ts";
import { readLog } from "../../adapters/embedded/segments.ts";
import { recoverState, type Recovery } from "../../adapters/memory/recover.ts";
import { MemoryStateStore } from "../../adapters/memory/state-store.ts";
import { AuditLog } from "../../adapters/serve/audit-log.ts";
import { SteppedClock } from "../../adapters/system/clock.ts";
import { SeededIds } from "../../adapters/system/ids.ts";
import type { Mode } from "../../engine/decision/decision.ts";
import type { NoteVerifier } from "../../engine/audit/note.ts";
import type { WeirError } from "../../engine/errors.ts";
import type { RawIntent } from "../../engine/intent/intent.ts";
import { createOperator } from "../../engine/operator/create-operator.ts";
import type { Operator } from "../../engine/operator/operator.ts";
import { createWeir } from "../../engine/pipeline.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";
import type { BundleSource, Ports } from "../../engine/ports.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { planBudgets } from "../../engine/reservation/budgets.ts";
import { GrantTable } from "../../engine/reservation/grants.ts";
import { planScopes } from "../../engine/velocity/scopes.ts";
import type { Weir } from "../../engine/weir.ts";

export const START_MS = Date.UTC(2026, 10, 25, 12, 0, 0);
export const SHIPPED_BUNDLE = join(import.meta.dirname, "../../bundles/starter");

export interface TestEngine {
  readonly weir: Weir;
  readonly operator: Operator;
  readonly ports: Ports;
  readonly clock: SteppedClock;
  readonly store: MemoryStateStore;
  readonly folder: string;
  readonly recovery: Recovery;
  lines(): LogLine[];
  /** Signs the log up to here, where it is signed at all. */
  checkpoint(): Promise<void>;
  /** Opens the same folder again, state rebuilt from the log. */
  reopen(): Promise<TestEngine>;
  /** A copy of the folder as a kill at this instant would leave it. */
  copyFolder(): string;
  /** Closes the engine and leaves the folder. */
  finish(): Promise<void>;
  openReservations(): Promise<number>;
  /** Opens such a copy: what a restart after a kill now would find. */
  openCopy(options?: Partial<TestEngineOptions>): Promise<TestEngine>;
  close(): Promise<void>;
}

export interface TestEngineOptions {
  readonly folder?: string;
  readonly mode?: Mode;
  readonly startMs?: number;
  readonly sync?: LogSync;
  readonly segmentBytes?: number;
  /** Of the decision ids. */
  readonly seed?: string;
  readonly inFlightMax?: number;
  /** Signs the log, with a checkpoint after so many records; absent: nothing is signed. */
  readonly checkpointRecords?: number;
  /** Signs the checkpoints too. */
  readonly witness?: { readonly url: string; readonly key: NoteVerifier };
  /** Changes the shipped bundle's data; rules that read it see the shipped data. */
  readonly data?: Partial<BundleData>;
  readonly ports?: (ports: Ports) => Partial<Ports>;
}

/** A whole engine on a folder of its own: real bundle, real log, memory state, stepped clock. */
export async function openTestEngine(options: TestEngineOptions = {}): Promise<TestEngine> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "weir-test-"));
  const clock = new SteppedClock(options.startMs ?? START_MS);
  const shipped = new FolderBundles(SHIPPED_BUNDLE, join(folder, "bundles"));
  const bundles = options.data === undefined ? shipped : withData(shipped, options.data);
  const store = new MemoryStateStore();
  const logFolder = join(folder, "log");
  const audit = options.checkpointRecords === undefined ? null : auditLog(folder, clock, options);
  const log =
    audit?.log ??
    new SegmentedLog({
      folder: logFolder,
      segmentBytes: options.segmentBytes ?? 64 << 20,
      sync: options.sync ?? "os",
      syncIntervalMs: 100,
    });
  const recovery = await recoverState(store, audit?.recall() ?? linesOf(logFolder), bundles);
  for (const entry of recovery.owed) await log.append(entry);
  await audit?.begin();
  const whole: Ports = {
    bundles,
    clock,
    ids: new SeededIds(`${options.seed ?? "test"}:${recovery.lines}`),
    ledger: new SegmentLedger(logFolder),
    log,
    state: store,
  };
  const ports = { ...whole, ...options.ports?.(whole) };
  const grants = new GrantTable(await store.grants());
  const notBeforeMs = recovery.lastMs;
  const weir = createWeir(ports, {
    grants,
    inFlightMax: options.inFlightMax ?? 10_000,
    mode: options.mode ?? "enforce",
    notBeforeMs,
  });
  const close = async () => {
    await weir.idle();
    await (audit ?? log).close();
  };
  const copyFolder = () => {
    const copy = mkdtempSync(join(tmpdir(), "weir-test-"));
    cpSync(folder, copy, { recursive: true });
    return copy;
  };
  return {
    checkpoint: async () => audit?.checkpoint(),
    clock,
    close: async () => {
      await close();
      rmSync(folder, { force: true, recursive: true });
    },
    copyFolder,
    finish: close,
    openReservations: () => store.openReservations(),
    folder,
    lines: () => [...linesOf(logFolder)],
    ports,
    recovery,
    reopen: async () => {
      await close();
      return openTestEngine({ ...options, folder, startMs: clock.nowMs() });
    },
    openCopy: (changed = {}) =>
      openTestEngine({ ...options, ...changed, folder: copyFolder(), startMs: clock.nowMs() }),
    operator: createOperator(ports, { grants, notBeforeMs }),
    store,
    weir,
  };
}

function auditLog(data: string, clock: SteppedClock, options: TestEngineOptions): AuditLog {
  const settings = {
    checkpointIntervalMs: 3_600_000,
    checkpointRecords: options.checkpointRecords ?? 1_000,
    logSegmentMebibytes: 1,
    logSync: options.sync ?? "os",
    logSyncIntervalMs: 100,
    witness: options.witness?.url ?? null,
    witnessKey: options.witness?.key ?? null,
  } as const;
  const onNote = (note: WeirError): never => {
    throw note;
  };
  return new AuditLog(settings, { clock, data, logFolder: join(data, "log"), onNote });
}

export function* linesOf(logFolder: string): Generator<LogLine> {
  for (const { line } of readLog(logFolder)) yield line;
}

function withData(source: BundleSource, change: Partial<BundleData>): BundleSource {
  const shipped = source.current();
  const data = { ...shipped.data, ...change };
  const bundle: Bundle = {
    ...shipped,
    budgets: planBudgets(data.budgets),
    data,
    scopes: planScopes(data.velocity),
  };
  return {
    byDigest: (digest) => (digest === bundle.digest ? bundle : null),
    current: () => bundle,
  };
}

/** A lawful intent of the example organisation; `change` replaces whole members. */
export function intentOf(id: string, change: Partial<RawIntent> = {}): RawIntent {
  return {
    attribution: {
      costCenter: "cc-100",
      environment: "prod",
      feature: "answers",
      service: "search-api",
      team: "search",
      tenant: "acme",
    },
    data: { sensitivity: "internal" },
    id,
    model: "openai:gpt-5-mini",
    operation: "chat",
    task: "chat",
    tokens: { input: 1_000, outputMax: 500 },
    ...change,
  };
}

export const LOCAL = { principal: "local" };
