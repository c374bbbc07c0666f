import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { noteOf } from "../../engine/audit/proof-file.ts";
import { WeirError } from "../../engine/errors.ts";
import { copyLog } from "../embedded/export-log.ts";
import { checkpointOf } from "./audit-prove.ts";
import { dataLayout } from "./local-storage.ts";

const FORMAT = "weir-audit-export/1";
const MANIFEST = "export.json";

/** What an export says of itself. */
export interface ExportManifest {
  readonly format: typeof FORMAT;
  readonly records: number;
  /** The signed note that covers exactly its records. */
  readonly checkpoint: string;
}

/**
 * Copies what an auditor needs out of a data folder, and nothing secret: the log up to its newest
 * checkpoint, the checkpoints, the bundles. A service may run on the folder meanwhile.
 */
export async function exportLog(data: string, to: string): Promise<ExportManifest> {
  if (existsSync(to) && readdirSync(to).length > 0) {
    throw new WeirError(
      "config.invalid",
      `${to} is not empty; an export goes into a folder of its own`,
    );
  }
  const checkpoint = checkpointOf(data);
  const from = dataLayout(data);
  mkdirSync(to, { recursive: true, mode: 0o700 });
  await copyLog(from.log, dataLayout(to).log, checkpoint);
  cpSync(from.bundles, dataLayout(to).bundles, { recursive: true });
  const manifest = {
    checkpoint: noteOf(checkpoint),
    format: FORMAT,
    records: checkpoint.size,
  } as const;
  writeFileSync(join(to, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  return manifest;
}

/** What an export says of itself; null where a folder is none. */
export function readManifest(folder: string): ExportManifest | null {
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) return null;
  try {
    const manifest = JSON.parse(readFileSync(path, "utf8")) as ExportManifest;
    if (manifest.format === FORMAT && Number.isSafeInteger(manifest.records)) return manifest;
  } catch {
    // Told below.
  }
  throw new WeirError("config.invalid", `${path} is not the description of an export`);
}
