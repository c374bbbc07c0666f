import { existsSync } from "node:fs";

import { WeirError } from "../../engine/errors.ts";
import type { StateStore } from "../../engine/ports.ts";
import { freezeOf, grantOf } from "../../engine/record/control.ts";
import type {
  DecisionRecord,
  EntryRecord,
  FreezeRecord,
  GrantRecord,
  LogLine,
  ReportRecord,
  StoredDecision,
} from "../../engine/record/record.ts";
import type { Config } from "../config.ts";
import { readLog } from "../embedded/segments.ts";
import { openConnection, type RedisClient } from "../redis/connection.ts";
import { Maintenance } from "../redis/maintenance.ts";
import { RedisStateStore } from "../redis/state-store.ts";
import { LogSums } from "./log-sums.ts";
import { checkRedis, logFolders, type StateCheck } from "./state-check.ts";

/** What was brought back, and what the state is after that. */
export interface StateRebuild {
  readonly balances: number;
  readonly reservations: number;
  readonly freezes: number;
  readonly grants: number;
  readonly check: StateCheck;
}

/** Longer than any rebuild takes. */
const ALONE_MS = 600_000;

/**
 * Makes the state in Redis what the logs of its nodes say, beside them if they run: reservations that it
 * has lost, balances that differ, freezes and grants. Velocity and runs begin anew.
 * @throws WeirError `config.invalid` where a log is missing, `state.unavailable`, `log.corrupt`
 */
export async function rebuildState(config: Config, data: readonly string[]): Promise<StateRebuild> {
  const folders = logFolders(data);
  if (config.state.kind === "memory") {
    const message = "state: what is in memory is rebuilt by every start; accepted is a Redis";
    throw new WeirError("config.invalid", message);
  }
  const client = await openConnection(config.state, config.stateTimeoutMs);
  try {
    return await new Maintenance(client).alone(ALONE_MS, () => rebuild(client, folders));
  } finally {
    client.disconnect();
  }
}

async function rebuild(client: RedisClient, folders: readonly string[]): Promise<StateRebuild> {
  const maintenance = new Maintenance(client);
  const store = new RedisStateStore(client);
  const logs = new LogSums(folders);
  const { drifts, missingLogs } = await checkRedis(client, logs);
  if (missingLogs.length > 0) {
    const message = `logs: without the log of ${missingLogs.join(", ")} the balances would be wrong; every node's is needed`;
    throw new WeirError("config.invalid", message);
  }
  const open = new Set(await maintenance.open());
  const lost = new Set(logs.posted.open.filter((id) => !open.has(id)));
  const found = gather(folders, lost);
  let reservations = 0;
  // Before the balances: what ends meanwhile takes from them what it held.
  for (const stored of found.decisions) if (await maintenance.restore(stored)) reservations += 1;
  const corrections = drifts.map((drift) => ({
    ...drift,
    held: -drift.held,
    settled: -drift.settled,
  }));
  await maintenance.correct(corrections);
  return {
    balances: corrections.length,
    check: await checkRedis(client, logs),
    freezes: await setFreezes(store, found.freezes),
    grants: await setGrants(store, found.grants),
    reservations,
  };
}

interface Gathered {
  readonly decisions: readonly StoredDecision[];
  /** The latest line of each scope. */
  readonly freezes: readonly FreezeRecord[];
  readonly grants: readonly GrantRecord[];
}

/** What the logs say of some decisions, and of what operators set. */
function gather(folders: readonly string[], decisions: ReadonlySet<string>): Gathered {
  const records: DecisionRecord[] = [];
  const later = new Map<string, (EntryRecord | ReportRecord)[]>();
  const freezes = new Map<string, FreezeRecord>();
  const grants: GrantRecord[] = [];
  for (const line of everyLine(folders)) {
    if (line.kind === "decision" && decisions.has(line.id)) records.push(line);
    else if ((line.kind === "entry" || line.kind === "report") && decisions.has(line.decision_id)) {
      later.set(line.decision_id, [...(later.get(line.decision_id) ?? []), line]);
    } else if (line.kind === "freeze") {
      const scope = JSON.stringify([line.tenant, line.scope]);
      if ((freezes.get(scope)?.at_ms ?? 0) <= line.at_ms) freezes.set(scope, line);
    } else if (line.kind === "grant") grants.push(line);
  }
  return {
    decisions: records.map((record) => ({ later: later.get(record.id) ?? [], record })),
    freezes: [...freezes.values()],
    grants,
  };
}

function* everyLine(folders: readonly string[]): Generator<LogLine> {
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const { line } of readLog(folder)) yield line;
  }
}

async function setFreezes(store: StateStore, lines: readonly FreezeRecord[]): Promise<number> {
  const known = new Set((await store.freezes()).map(({ scope, tenant }) => `${tenant} ${scope}`));
  const lost = lines.filter(
    ({ frozen, scope, tenant }) => frozen && !known.has(`${tenant} ${scope}`),
  );
  for (const line of lost) await store.freeze(line.tenant, freezeOf(line));
  return lost.length;
}

async function setGrants(store: StateStore, lines: readonly GrantRecord[]): Promise<number> {
  const known = new Set((await store.grants()).map(keyOf));
  const lost = lines.map(grantOf).filter((grant) => {
    return grant.untilMs > Date.now() && !known.has(keyOf(grant));
  });
  for (const grant of lost) await store.grant(grant);
  return lost.length;
}

function keyOf({ budget, id, tenant }: { budget: string; id: string; tenant: string }): string {
  return JSON.stringify([tenant, budget, id]);
}
