import { hash, randomBytes } from "node:crypto";
import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import { changeKeyFile, keyFilePath, readKeyFile, type StoredKey } from "./key-file.ts";

/** An API key as it may be shown. */
export type KeyListing = Omit<StoredKey, "sha256">;

/** What a new key is for. */
export interface NewKey {
  /** Principal its callers are. */
  readonly principal: string;
  readonly note: string;
  /** Time of creation, epoch ms. */
  readonly now: number;
  /** Who makes it. */
  readonly by?: string;
}

/** Who ends a key, and why. */
export interface Revocation {
  readonly by?: string;
  readonly why?: string;
}

/** A new key; the secret is told once and stored nowhere. */
export interface CreatedKey {
  readonly id: string;
  /** What the caller sends: "weir_<id>_<secret>". */
  readonly secret: string;
}

/** Makes a key of 256 random bits and stores its digest in the data folder. */
export async function createKey(dir: string, key: NewKey): Promise<CreatedKey> {
  checkText("principal", key.principal, 1);
  checkText("note", key.note, 0);
  const id = randomBytes(6).toString("hex");
  const secret = `weir_${id}_${randomBytes(32).toString("hex")}`;
  const stored: StoredKey = {
    id,
    principal: key.principal,
    note: key.note,
    sha256: digest(secret).toString("hex"),
    createdAtMs: key.now,
    revokedAtMs: null,
    createdBy: key.by ?? "",
    revokedBy: "",
    revokedWhy: "",
  };
  await changeKeyFile(dir, (keys) => [...keys, stored]);
  return { id, secret };
}

/** All keys of the data folder, revoked ones included, oldest first. */
export function listKeys(dir: string): readonly KeyListing[] {
  const keys = readKeyFile(keyFilePath(dir)) ?? [];
  return keys.map(({ sha256: _digest, ...listed }) => listed);
}

/** Revokes a key for good; running servers refuse it within a second. An unknown id is `config.invalid`. */
export async function revokeKey(
  dir: string,
  id: string,
  now: number,
  { by = "", why = "" }: Revocation = {},
): Promise<void> {
  checkText("why", why, 0);
  await changeKeyFile(dir, (keys) => {
    if (!keys.some((key) => key.id === id)) {
      throw new WeirError(
        "config.invalid",
        `no key has the id "${id.slice(0, 40).toWellFormed()}"`,
      );
    }
    return keys.map((key) =>
      key.id === id && key.revokedAtMs === null
        ? { ...key, revokedAtMs: now, revokedBy: by, revokedWhy: why }
        : key,
    );
  });
}

/** SHA-256 of a presented key: 256 random bits need no slower hash. */
export function digest(secret: string): Buffer {
  return hash("sha256", secret, "buffer");
}

const CONTROL = /\p{Cc}/u;

function checkText(field: string, text: string, min: number): void {
  const sound = text.isWellFormed() && !CONTROL.test(text);
  if (sound && text.length >= min && text.length <= LIMITS.idChars) return;
  const accepted = `${min} to ${LIMITS.idChars} characters without control characters`;
  throw new WeirError("config.invalid", `${field} of a key: ${accepted} are accepted`);
}
