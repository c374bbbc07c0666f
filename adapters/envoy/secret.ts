import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WeirError } from "../../engine/errors.ts";

const BYTES = 32;

/**
 * The secret of a data folder that tickets are sealed with, made at the first start. Replicas behind
 * one Envoy need the same one, for a call may be settled by another than decided it.
 * @throws WeirError `config.invalid` naming the file where it cannot be read or holds none
 */
export function readSecret(dataFolder: string): Uint8Array {
  const path = join(dataFolder, "envoy.secret");
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const fresh = `${randomBytes(BYTES).toString("hex")}\n`;
    writeFileSync(path, fresh, { flag: "wx", mode: 0o600 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw unreadable(path, thrown);
  }
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  if (/^[0-9a-f]{64,512}$/.test(text)) return Buffer.from(text, "hex");
  throw new WeirError("config.invalid", `${path}: 64 or more lower-case hex digits are accepted`);
}

function unreadable(path: string, thrown: unknown): WeirError {
  const message = `${path}: ${(thrown as Error).message}`;
  return new WeirError("config.invalid", message, { cause: thrown });
}
