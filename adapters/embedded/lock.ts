import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";

/** Keeps a data folder to one process; gives it back when asked. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder's lock, or `config.invalid` naming the process that has it. The lock of a process
 * that is gone (its start time tells a reused number) is taken over.
 */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "lock");
  // Written beside and linked, so that a lock is never seen without its holder.
  const draft = `${path}.${process.pid}`;
  try {
    writeDraft(draft);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (tryLink(draft, path)) return { release: () => rmSync(path, { force: true }) };
      const holder = readHolder(path);
      if (holder !== null && isRunning(holder)) {
        const message = `data folder ${folder} is in use by process ${holder.pid}; one process per folder`;
        throw new WeirError("config.invalid", message);
      }
      removeStale(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new WeirError("config.invalid", `data folder ${folder} is being locked by another process`);
}

function writeDraft(draft: string): void {
  try {
    writeFileSync(draft, JSON.stringify({ pid: process.pid, started: startTime(process.pid) }));
  } catch (cause) {
    throw new WeirError("config.invalid", `data folder cannot be locked: ${String(cause)}`, {
      cause,
    });
  }
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new WeirError("config.invalid", `data folder cannot be locked: ${String(cause)}`, {
      cause,
    });
  }
}

/** Moves a lock out of the way; one that somebody took meanwhile is put back. */
function removeStale(path: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    const holder = readHolder(aside);
    if (holder !== null && isRunning(holder)) tryLink(aside, path);
  } catch (cause) {
    // Somebody else moved it first.
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  } finally {
    rmSync(aside, { force: true });
  }
}

interface Holder {
  readonly pid: number;
  readonly started: string;
}

function readHolder(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return null;
  }
}

function isRunning(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return startTime(holder.pid) === holder.started;
}

/** Start time of a process as the kernel counts it; "" where there is no /proc. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
