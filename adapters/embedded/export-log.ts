import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

import type { Checkpoint } from "../../engine/audit/checkpoint.ts";
import { noteOf } from "../../engine/audit/proof-file.ts";
import { checkpointsPath, readCheckpoints } from "./checkpoints.ts";
import { compressedName, listSegments, rawLines } from "./segments.ts";

/**
 * Copies a log up to a checkpoint: closed segments as they lie, of the last one the records that the
 * checkpoint covers, and the checkpoints up to it.
 */
export async function copyLog(from: string, to: string, checkpoint: Checkpoint): Promise<void> {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  const segments = listSegments(from).filter(
    (name) => Number.parseInt(name, 10) <= checkpoint.size,
  );
  for (const [index, name] of segments.entries()) {
    const next = segments[index + 1];
    if (next === undefined) await copyLines(from, to, name, checkpoint.size);
    else copyWhole(from, to, name);
  }
  const notes: string[] = [];
  for (const { checkpoint: one } of readCheckpoints(from)) {
    if (one !== null && one.size <= checkpoint.size) notes.push(`${noteOf(one)}\n`);
  }
  writeFileSync(checkpointsPath(to), notes.join(""));
}

/** A closed segment may be compressed at this very moment. */
function copyWhole(from: string, to: string, name: string): void {
  try {
    copyFileSync(join(from, name), join(to, name));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    copyFileSync(join(from, compressedName(name)), join(to, compressedName(name)));
  }
}

async function copyLines(from: string, to: string, name: string, last: number): Promise<void> {
  const file = await open(join(to, name), "w", 0o600);
  try {
    let number = Number.parseInt(name, 10);
    for (const { bytes, whole } of rawLines(join(from, name))) {
      if (!whole || number > last) return;
      await file.appendFile(Buffer.concat([bytes, NEWLINE]));
      number += 1;
    }
  } finally {
    await file.close();
  }
}

const NEWLINE = Buffer.from("\n");
