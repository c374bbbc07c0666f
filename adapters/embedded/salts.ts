import { createHmac, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import { maskedWord, type Masks } from "../../engine/intent/mask.ts";
import { auditFolder } from "./signing-key.ts";

const SALT_BYTES = 16;

/**
 * Masks by salts, one for each value that was ever masked, in `audit/salts` of the data folder: lines of
 * the value's keyed digest and its salt. Without its salt a mask in the log can no longer be told to
 * be of a value, so that destroying the salt erases a person, and every proof still holds.
 */
export class SaltFile implements Masks {
  readonly #folder: string;
  #salts: Map<string, Buffer> | null = null;
  #key: Buffer = Buffer.alloc(0);
  #descriptor: number | null = null;
  /** The last line may be cut short: what follows begins on a line of its own. */
  #torn = false;

  constructor(data: string) {
    this.#folder = auditFolder(data);
  }

  mask(path: string, value: string): string {
    const salts = this.#open();
    const subject = this.#subjectOf(value);
    let salt = salts.get(subject);
    if (salt === undefined) {
      salt = randomBytes(SALT_BYTES);
      // Kept before it is used: else the same person would be another one after a restart.
      this.#append(`${subject} ${salt.toString("hex")}\n`);
      salts.set(subject, salt);
    }
    return maskedWord(salt, path, value);
  }

  /** Whether a value has a salt. */
  knows(value: string): boolean {
    return this.#open().has(this.#subjectOf(value));
  }

  /** Destroys a value's salt; false if there was none. No process may be masking meanwhile. */
  erase(value: string): boolean {
    const salts = this.#open();
    if (!salts.delete(this.#subjectOf(value))) return false;
    const lines = [...salts].map(([subject, salt]) => `${subject} ${salt.toString("hex")}\n`);
    this.close();
    writeWhole(this.#saltsPath, lines.join(""));
    return true;
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  get #saltsPath(): string {
    return join(this.#folder, "salts");
  }

  #subjectOf(value: string): string {
    return createHmac("sha256", this.#key).update(value).digest("hex").slice(0, 32);
  }

  #open(): Map<string, Buffer> {
    if (this.#salts !== null) return this.#salts;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const keyPath = join(this.#folder, "mask-key");
    if (!existsSync(keyPath)) writeWhole(keyPath, `${randomBytes(32).toString("hex")}\n`);
    const key = readFileSync(keyPath, "utf8").trim();
    if (!/^[0-9a-f]{64}$/.test(key)) {
      throw new WeirError("config.invalid", `${keyPath} is not a key of 64 hex digits`);
    }
    this.#key = Buffer.from(key, "hex");
    const text = existsSync(this.#saltsPath) ? readFileSync(this.#saltsPath, "utf8") : "";
    const lines = text.matchAll(/^([0-9a-f]{32}) ([0-9a-f]{32})$/gm);
    this.#salts = new Map(
      [...lines].map(([, subject = "", salt = ""]) => [subject, Buffer.from(salt, "hex")]),
    );
    this.#torn = text !== "" && !text.endsWith("\n");
    return this.#salts;
  }

  #append(line: string): void {
    this.#descriptor ??= openSync(this.#saltsPath, "a", 0o600);
    const text = this.#torn ? `\n${line}` : line;
    this.#torn = true;
    try {
      writeFileSync(this.#descriptor, text);
      this.#torn = false;
    } catch (cause) {
      throw new WeirError("log.unavailable", `a salt could not be kept: ${String(cause)}`, {
        cause,
      });
    }
  }
}

function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}.draft`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}
