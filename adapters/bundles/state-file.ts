import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import type { Activation, Quarantined } from "../../engine/operator/bundles.ts";

/** What a restart has to know of bundles. */
export interface ActivationState {
  /** The setting `bundle` that this came about under. */
  readonly configured: string;
  /**
   * Digest of what the configured source last offered. It decides again only once the source offers
   * something else: so what an operator activated or rolled back to stays.
   */
  readonly offered: string;
  /** ETag of that offer; "" for a path. */
  readonly etag: string;
  /** Bundles that decided, the latest first: the first decides. */
  readonly history: readonly Activation[];
}

const STATE = "state.json";
const QUARANTINE = "quarantine";

/** Reads what was kept in a folder of bundles; null where nothing was. */
export function readState(folder: string): ActivationState | null {
  return readJson(join(folder, STATE)) as ActivationState | null;
}

/** Written beside and renamed, so that a kill leaves the one or the other. */
export function writeState(folder: string, state: ActivationState): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, STATE);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Bundles that are not used again, by digest. */
export function readQuarantine(folder: string): ReadonlyMap<string, Quarantined> {
  const entries = quarantineFiles(folder).map((name) => {
    const entry = readJson(join(folder, QUARANTINE, name)) as Quarantined;
    return [entry.digest, entry] as const;
  });
  return new Map(entries);
}

/** Where a bundle's quarantine is written down. */
export function quarantineFile(folder: string, digest: string): string {
  return join(folder, QUARANTINE, `${digest}.json`);
}

/** Puts a bundle in quarantine. */
export function quarantine(folder: string, entry: Quarantined & { readonly input?: string }): void {
  mkdirSync(join(folder, QUARANTINE), { recursive: true, mode: 0o700 });
  const path = quarantineFile(folder, entry.digest);
  writeFileSync(path, `${JSON.stringify(entry, null, 1)}\n`, { flush: true, mode: 0o600 });
}

/** An operator takes the risk. */
export function liftQuarantine(folder: string, digest: string): void {
  rmSync(quarantineFile(folder, digest), { force: true });
}

function quarantineFiles(folder: string): readonly string[] {
  try {
    return readdirSync(join(folder, QUARANTINE)).filter((name) => name.endsWith(".json"));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw cause;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WeirError("bundle.invalid", `${path} is damaged: it is not JSON`, { cause });
  }
}
