import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { type NoteSigner, readSigner, signerOf, writeSigner } from "../../engine/audit/note.ts";
import { WeirError } from "../../engine/errors.ts";

const SEED_BYTES = 32;

/** Folder of the signing keys in a data folder. */
export function auditFolder(data: string): string {
  return join(data, "audit");
}

/** The key that signs a log's checkpoints, and where the next one waits while it is taken up. */
export class SigningKeyFile {
  readonly #path: string;
  readonly #nextPath: string;

  constructor(data: string) {
    this.#path = join(auditFolder(data), "signing-key");
    this.#nextPath = `${this.#path}.next`;
  }

  /** The key, or null where none was made yet; a malformed file is `config.invalid`. */
  read(): NoteSigner | null {
    return readKey(this.#path);
  }

  /** A key that was made and may not be in use yet. */
  readNext(): NoteSigner | null {
    return readKey(this.#nextPath);
  }

  /** Makes a key under the log's name; a log without one gets one that no other log has. */
  create(name = `weir.internal/${randomBytes(8).toString("hex")}`): NoteSigner {
    return writeKey(this.#path, name);
  }

  /** Makes the key that is to follow, under the same name. */
  createNext(name: string): NoteSigner {
    return writeKey(this.#nextPath, name);
  }

  /** Puts the next key in the place of the present one. */
  promoteNext(): void {
    renameSync(this.#nextPath, this.#path);
  }

  dropNext(): void {
    rmSync(this.#nextPath, { force: true });
  }
}

/** The public key of a data folder as text; "" where there is none. */
export function signingKeyOf(data: string): string {
  return new SigningKeyFile(data).read()?.verifier.text ?? "";
}

function readKey(path: string): NoteSigner | null {
  if (!existsSync(path)) return null;
  const signer = readSigner(readFileSync(path, "utf8"));
  if (signer !== null) return signer;
  throw new WeirError("config.invalid", `${path} is not a signing key`);
}

/** Written beside and renamed, so that half a key is never found. */
function writeKey(path: string, name: string): NoteSigner {
  const seed = randomBytes(SEED_BYTES);
  const draft = `${path}.${process.pid}.draft`;
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, `${writeSigner(name, "ed25519", seed)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  return signerOf(name, "ed25519", seed);
}
