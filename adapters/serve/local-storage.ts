import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { readVerifier } from "../../engine/audit/note.ts";
import { WeirError } from "../../engine/errors.ts";
import type { Clock, StateStore } from "../../engine/ports.ts";
import { type LogLine, RECORD_VERSION } from "../../engine/record/record.ts";
import type { Config } from "../config.ts";
import type { ActiveBundles } from "../bundles/active-bundles.ts";
import { openActiveBundles } from "../bundles/start.ts";
import { SETTINGS } from "../config/settings.ts";
import { SaltFile } from "../embedded/salts.ts";
import { SegmentLedger } from "../embedded/ledger.ts";
import { lockFolder } from "../embedded/lock.ts";
import type { SegmentedLog } from "../embedded/log.ts";
import { recoverState } from "../memory/recover.ts";
import { MemoryStateStore } from "../memory/state-store.ts";
import { openConnection, type RedisAddress } from "../redis/connection.ts";
import { RedisStateStore } from "../redis/state-store.ts";
import { userName } from "../system/user.ts";
import { AuditLog } from "./audit-log.ts";
import { KeyJournal } from "./key-journal.ts";
import { finishOwed } from "./finish-owed.ts";
import { splitPersons } from "./split-persons.ts";
import type { Storage } from "./storage.ts";

/** Where things are in a data folder. */
export function dataLayout(data: string): { readonly log: string; readonly bundles: string } {
  return { log: join(data, "log"), bundles: join(data, "bundles") };
}

/**
 * Opens the data folder for this process alone: the log is repaired, state in memory rebuilt from
 * it, and what a killed process still owed is appended. `onNote` is told what was not as a clean stop leaves it.
 */
export async function openLocalStorage(
  config: Config,
  clock: Clock,
  onNote: (note: WeirError) => void,
): Promise<Storage> {
  mkdirSync(config.data, { recursive: true, mode: 0o700 });
  const lock = lockFolder(config.data);
  const closers: (() => unknown)[] = [];
  const closeAll = async (): Promise<void> => {
    const failed: unknown[] = [];
    for (const close of closers.toReversed()) {
      await Promise.resolve(close()).catch((fault: unknown) => failed.push(fault));
    }
    lock.release();
    if (failed.length > 0) throw failed[0];
  };
  try {
    const layout = dataLayout(config.data);
    const bundles = await openActiveBundles({
      configured: config.bundle,
      folder: layout.bundles,
      keys: config.bundleKeys,
      nowMs: clock.nowMs(),
      onNote,
      shipped: config.bundle === SETTINGS.bundle.default,
      starter: userName(),
      token: config.bundleToken,
    });
    const split = splitPersons(config, bundles.current());
    if (split !== null) throw new WeirError("config.invalid", split);
    const audit = new AuditLog(config, {
      clock,
      data: config.data,
      logFolder: layout.log,
      onNote,
    });
    closers.push(() => audit.close());
    const { log } = audit;
    if (log.repaired !== "") onNote(new WeirError("log.corrupt", `repaired: ${log.repaired}`));
    const ledger = new SegmentLedger(layout.log);
    const opened = { audit, bundles, clock, ledger, log, lines: () => audit.recall() };
    const kept = await (config.state.kind === "memory"
      ? rebuilt(opened, onNote)
      : shared(config.state, config, opened, onNote));
    // Whatever is still to be written is, before the state goes.
    closers.unshift(() => kept.close());
    await audit.begin();
    await kept.join(readVerifier(audit.controls.signingKey)?.name ?? "");
    await noteBundle(opened);
    await noteMode(audit, config.mode);
    const keys = new KeyJournal(config.data, audit, onNote);
    closers.push(() => keys.close());
    await keys.record();
    const masks = new SaltFile(config.data);
    closers.unshift(() => masks.close());
    return {
      bundles,
      masks,
      lastMs: kept.lastMs,
      state: kept.state,
      watchControls: kept.watchControls,
      log,
      ledger,
      logFolder: layout.log,
      close: closeAll,
    };
  } catch (thrown) {
    // What kept it from opening is the fault to tell of.
    await closeAll().catch(() => {});
    throw thrown;
  }
}

interface OpenedState {
  readonly state: StateStore;
  readonly watchControls: Storage["watchControls"];
  readonly lastMs: number;
  /** Tells the others of the node's log, by its name. */
  join(logName: string): Promise<void>;
  close(): void;
}

async function rebuilt(opened: Opened, onNote: (note: WeirError) => void): Promise<OpenedState> {
  const state = new MemoryStateStore();
  const lastMs = await recover(state, opened, onNote);
  const join = () => Promise.resolve();
  return { close: () => undefined, join, lastMs, state, watchControls: null };
}

/** State that outlives this process, in Redis: only what this node owed is finished. */
async function shared(
  address: RedisAddress,
  { stateReplicas, stateTimeoutMs }: Config,
  opened: Opened,
  onNote: (note: WeirError) => void,
): Promise<OpenedState> {
  const client = await openConnection(address, stateTimeoutMs);
  try {
    const state = new RedisStateStore(client, {
      count: stateReplicas,
      // Its answer must come before the call is given up.
      timeoutMs: Math.max(1, Math.floor(stateTimeoutMs * 0.8)),
    });
    const { lastMs } = await finishOwed(state, opened, onNote);
    const ends = [() => client.disconnect()];
    return {
      close: () => ends.forEach((end) => end()),
      join: (logName) => state.join(logName),
      lastMs,
      state,
      watchControls: (onControls) => void ends.push(state.watch(onControls)),
    };
  } catch (thrown) {
    client.disconnect();
    throw thrown;
  }
}

interface Opened {
  readonly audit: AuditLog;
  readonly bundles: ActiveBundles;
  readonly clock: Clock;
  readonly log: SegmentedLog;
  readonly ledger: SegmentLedger;
  /** Every line of the log as it was opened; read once. */
  readonly lines: () => Iterable<LogLine>;
}

async function recover(
  state: MemoryStateStore,
  { bundles, lines, log }: Opened,
  onNote: (note: WeirError) => void,
): Promise<number> {
  const { owed, differences, lastMs } = await recoverState(state, lines(), bundles);
  for (const entry of owed) await log.append(entry);
  if (differences.length > 0) {
    const some = differences.slice(0, 3).join(", ");
    const message = `${differences.length} entries do not follow from the log, among them ${some}; see weir ledger check`;
    onNote(new WeirError("log.corrupt", message));
  }
  return lastMs;
}

/** The log says when another bundle began to decide. */
async function noteBundle({ audit, bundles, clock, log }: Opened): Promise<void> {
  const { actor, digest, reason, revision, source } = bundles.activation;
  const before = audit.controls.bundle;
  if (digest === before.digest) return;
  await log.append({
    v: RECORD_VERSION,
    kind: "bundle",
    actor,
    at_ms: clock.nowMs(),
    before,
    change: "activated",
    digest,
    reason,
    revision,
    source,
  });
}

/** And when another mode did. */
async function noteMode(audit: AuditLog, mode: Config["mode"]): Promise<void> {
  const before = audit.controls.mode;
  if (before === mode) return;
  await audit.control({
    action: "mode.set",
    after: mode,
    before,
    reason: "the service started with it",
    subject: "deployment",
  });
}
