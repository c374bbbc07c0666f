import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
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
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, "wx");
      writeSync(file, JSON.stringify({ pid: process.pid, started: startTime(process.pid) }));
      closeSync(file);
      return { release: () => rmSync(path, { force: true }) };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new WeirError("config.invalid", `data folder ${folder} cannot be locked: ${String(cause)}`, { cause });
      }
      const holder = readHolder(path);
      if (holder !== null && isRunning(holder)) {
        const message = `data folder ${folder} is in use by process ${holder.pid}; one process per folder`;
        throw new WeirError("config.invalid", message);
      }
      rmSync(path, { force: true });
    }
  }
  throw new WeirError("config.invalid", `data folder ${folder} is being locked by another process`);
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
