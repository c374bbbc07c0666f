import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../engine/errors.ts";
import { type PostedSum, PostedSums } from "../../engine/ledger/posted-sums.ts";
import type { Balance } from "../../engine/ports.ts";
import { tenantOfInstance } from "../../engine/reservation/budgets.ts";
import type { Config } from "../config.ts";
import { FolderBundles } from "../bundles/folder-bundles.ts";
import { readLog } from "../embedded/segments.ts";
import { recoverState } from "../memory/recover.ts";
import { MemoryStateStore } from "../memory/state-store.ts";
import { openConnection, type RedisClient } from "../redis/connection.ts";
import { Maintenance } from "../redis/maintenance.ts";
import { RedisStateStore } from "../redis/state-store.ts";
import { dataLayout } from "./local-storage.ts";
import { LogSums } from "./log-sums.ts";

/** A balance that is not what the logs posted, in the unit of its budget. */
export interface Drift extends Pick<PostedSum, "budget" | "endsAtMs" | "unit"> {
  readonly instance: string;
  /** What the state says above what the logs say. */
  readonly held: bigint;
  readonly settled: bigint;
}

/** The state against the logs of the nodes that use it. */
export interface StateCheck {
  /** Budget instances compared. */
  readonly budgets: number;
  readonly drifts: readonly Drift[];
  readonly openReservations: number;
  /** Open reservations of the state whose decision is in no log: a node was killed before it wrote it. */
  readonly orphans: readonly string[];
  /** Nodes that use the state and whose logs were not given: what they posted is missing here. */
  readonly missingLogs: readonly string[];
}

/** Looks at a state that is in use, in which an instance must agree with the logs once. */
const LOOKS = 8;
const BETWEEN_LOOKS_MS = 250;
/** As long as a store keeps an instance that stands still. */
const KEPT_MS = 7 * 86_400_000;

/**
 * Compares every balance with the sum of its postings. State in memory is what the log makes of it at each
 * start: so it is made anew. State in Redis is looked at while the nodes use it; `data` are the data
 * folders of all of them.
 * @throws WeirError `state.unavailable`, `log.corrupt`, `config.invalid`
 */
export async function checkState(config: Config, data: readonly string[]): Promise<StateCheck> {
  const folders = logFolders(data);
  if (config.state.kind === "memory") return checkMemory(config, folders);
  const client = await openConnection(config.state, config.stateTimeoutMs);
  try {
    return await checkRedis(client, new LogSums(folders));
  } finally {
    client.disconnect();
  }
}

/** Folders of the logs of these data folders. */
export function logFolders(data: readonly string[]): readonly string[] {
  for (const folder of data) {
    if (existsSync(folder)) continue;
    throw new WeirError("config.invalid", `data: there is no folder ${folder}`);
  }
  return data.map((folder) => dataLayout(folder).log);
}

async function checkMemory(config: Config, folders: readonly string[]): Promise<StateCheck> {
  const [folder, ...others] = folders;
  if (folder === undefined || others.length > 0) {
    throw new WeirError("config.invalid", "logs: state in memory is one node's; none is accepted");
  }
  const posted = new PostedSums();
  const state = new MemoryStateStore();
  const bundles = new FolderBundles(config.bundle, dataLayout(config.data).bundles);
  const lines = function* () {
    if (!existsSync(folder)) return;
    for (const { line } of readLog(folder)) {
      posted.take(line);
      yield line;
    }
  };
  const { owed } = await recoverState(state, lines(), bundles);
  for (const entry of owed) posted.take(entry);
  const balances = await state.balances();
  return {
    budgets: balances.length,
    drifts: driftsOf(balances, posted, Date.now()),
    missingLogs: [],
    openReservations: await state.openReservations(),
    orphans: [],
  };
}

/**
 * Logs and state are not read at the same moment: a call in flight is in one and not yet in the other. So
 * an instance drifts by the smallest difference that was seen in several looks; one that agreed once is right.
 */
export async function checkRedis(client: RedisClient, logs: LogSums): Promise<StateCheck> {
  const maintenance = new Maintenance(client);
  const store = new RedisStateStore(client);
  let drifts: ReadonlyMap<string, Drift> | undefined;
  let orphans: ReadonlySet<string> | undefined;
  for (let look = 1; ; look += 1) {
    logs.catchUp();
    // A server that came back empty has forgotten whose state it has since.
    if (look === 1)
      await maintenance.know(new Set([...logs.posted.all.keys()].map(tenantOfInstance)));
    const [balances, open] = await Promise.all([store.balances(), maintenance.open()]);
    const unknown = open.filter((id) => !logs.posted.isOpen(id));
    const held = await Promise.all(unknown.map((id) => maintenance.held(id)));
    const seen = driftsOf(without(balances, held), logs.posted, Date.now());
    drifts = smaller(drifts, seen);
    orphans = new Set(unknown.filter((id) => orphans?.has(id) ?? true));
    if ((drifts.size === 0 && orphans.size === 0) || look === LOOKS) {
      const nodes = await maintenance.nodes();
      return {
        budgets: balances.length,
        drifts: [...drifts.values()],
        missingLogs: nodes.filter((name) => !logs.names.includes(name)).toSorted(),
        openReservations: open.length,
        orphans: [...orphans],
      };
    }
    await sleep(BETWEEN_LOOKS_MS);
  }
}

/** Balances without what reservations hold that no log knows of yet. */
function without(
  balances: readonly Balance[],
  reservations: readonly ReadonlyMap<string, bigint>[],
): readonly Balance[] {
  if (reservations.length === 0) return balances;
  return balances.map((balance) => {
    const unknown = reservations.reduce(
      (sum, held) => sum + (held.get(balance.instance) ?? 0n),
      0n,
    );
    return unknown === 0n ? balance : { ...balance, held: balance.held - unknown };
  });
}

function driftsOf(
  balances: readonly Balance[],
  posted: PostedSums,
  nowMs: number,
): readonly Drift[] {
  const kept = new Map(balances.map((balance) => [balance.instance, balance]));
  const found: Drift[] = [];
  for (const [instance, sum] of posted.all) {
    const balance = kept.get(instance);
    // What is idle for long is forgotten; it holds nothing then.
    const isForgotten = (sum.endsAtMs || sum.lastMs) + KEPT_MS < nowMs && sum.held === 0n;
    if (balance === undefined && isForgotten) continue;
    const held = (balance?.held ?? 0n) - sum.held;
    const settled = (balance?.settled ?? 0n) - sum.settled;
    const { budget, endsAtMs, unit } = sum;
    if (held !== 0n || settled !== 0n)
      found.push({ budget, endsAtMs, held, instance, settled, unit });
  }
  for (const { budget, held, instance, settled, unit } of balances) {
    if (posted.all.has(instance) || (held === 0n && settled === 0n)) continue;
    found.push({ budget, endsAtMs: 0, held, instance, settled, unit });
  }
  return found;
}

/** Drifts of both looks, each figure by the smaller of the two. */
function smaller(
  before: ReadonlyMap<string, Drift> | undefined,
  seen: readonly Drift[],
): ReadonlyMap<string, Drift> {
  const both = seen.flatMap((drift): (readonly [string, Drift])[] => {
    if (before === undefined) return [[drift.instance, drift]];
    const earlier = before.get(drift.instance);
    if (earlier === undefined) return [];
    const held = nearer(earlier.held, drift.held);
    const settled = nearer(earlier.settled, drift.settled);
    return held === 0n && settled === 0n ? [] : [[drift.instance, { ...drift, held, settled }]];
  });
  return new Map(both);
}

function nearer(one: bigint, other: bigint): bigint {
  return sizeOf(one) <= sizeOf(other) ? one : other;
}

function sizeOf(amount: bigint): bigint {
  return amount < 0n ? -amount : amount;
}

/** Money that the state has too much or too little of, over all budgets, nano-USD. */
export function driftNanoUsd({ drifts }: StateCheck): bigint {
  return drifts
    .filter(({ unit }) => unit === "nano_usd")
    .reduce((sum, { held, settled }) => sum + sizeOf(held) + sizeOf(settled), 0n);
}
