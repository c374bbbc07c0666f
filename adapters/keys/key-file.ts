import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../../engine/errors.ts";

/** One API key as it is stored: never the secret, only its SHA-256. */
export interface StoredKey {
  /** Public part of the key, lower-case hex. */
  readonly id: string;
  readonly principal: string;
  readonly note: string;
  /** SHA-256 of the whole key, lower-case hex. */
  readonly sha256: string;
  readonly createdAtMs: number;
  /** null: valid. */
  readonly revokedAtMs: number | null;
  /** Who made it and ended it and why; "": nobody said. */
  readonly createdBy: string;
  readonly revokedBy: string;
  readonly revokedWhy: string;
}

const VERSION = 1;
const LOCK_WAIT_MS = 5_000;
/** A writer holds the lock for milliseconds; one this old was killed. */
const LOCK_STALE_MS = 30_000;

/** Path of the key file in a data folder. */
export function keyFilePath(dir: string): string {
  return join(dir, "keys.json");
}

/** The stored keys; null where the file does not exist. Malformed: `config.invalid` naming the file. */
export function readKeyFile(path: string): readonly StoredKey[] | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw malformed(path, (error as Error).message);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(path, "not JSON");
  }
  return checkKeys(path, value);
}

/** Changes the keys under a lock, durably, by replacing the file as a whole (mode 0600). */
export async function changeKeyFile(
  dir: string,
  change: (keys: readonly StoredKey[]) => readonly StoredKey[],
): Promise<void> {
  const path = keyFilePath(dir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await withLock(`${path}.lock`, async () => {
      const keys = change(readKeyFile(path) ?? []);
      await replace(path, `${JSON.stringify({ version: VERSION, keys }, null, 2)}\n`);
    });
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw malformed(path, (error as Error).message);
  }
}

function checkKeys(path: string, value: unknown): readonly StoredKey[] {
  const file = object(value);
  if (file["version"] !== VERSION) throw malformed(path, `version is not ${VERSION}`);
  if (!Array.isArray(file["keys"])) throw malformed(path, "keys is not a list");
  const ids = new Set<string>();
  return file["keys"].map((entry: unknown, index) => {
    const key = object(entry);
    const { id, principal, note, sha256, createdAtMs, revokedAtMs } = key;
    const sound =
      matches(id, /^[0-9a-f]{12}$/) &&
      matches(sha256, /^[0-9a-f]{64}$/) &&
      matches(principal, /./) &&
      typeof note === "string" &&
      Number.isSafeInteger(createdAtMs) &&
      (revokedAtMs === null || Number.isSafeInteger(revokedAtMs));
    if (!sound) throw malformed(path, `keys[${index}] is not a stored key`);
    if (ids.has(id as string)) throw malformed(path, `keys[${index}] repeats the id ${String(id)}`);
    ids.add(id as string);
    const [createdBy, revokedBy, revokedWhy] = ["createdBy", "revokedBy", "revokedWhy"].map(
      (name) => (typeof key[name] === "string" ? key[name] : ""),
    );
    const stored = { id, principal, note, sha256, createdAtMs, revokedAtMs };
    return { ...stored, createdBy, revokedBy, revokedWhy } as StoredKey;
  });
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  return plain ? (value as Readonly<Record<string, unknown>>) : {};
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === "string" && pattern.test(value);
}

function malformed(path: string, what: string): WeirError {
  return new WeirError("config.invalid", `key file ${path}: ${what}`);
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Two writers at once would lose one change, perhaps a revocation. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const giveUpAt = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      await (await open(path, "wx", 0o600)).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const taken = await stat(path).catch(() => null);
    if (taken !== null && Date.now() - taken.mtimeMs > LOCK_STALE_MS) {
      await rm(path, { force: true });
    } else if (Date.now() > giveUpAt) {
      throw new WeirError("config.invalid", `${path} is held by another process; remove it if not`);
    } else {
      await sleep(20);
    }
  }
  try {
    await work();
  } finally {
    await rm(path, { force: true });
  }
}
