import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import type { Algorithm } from "../keys.ts";

/** A folder that is gone after the test. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "weir-bundle-"));
  onTestFinished(() => rmSync(folder, { force: true, recursive: true }));
  return folder;
}

export interface KeyFiles {
  readonly private: string;
  readonly public: string;
  /** Text of the public file. */
  readonly text: string;
}

const CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" } as const;

function pairFor(algorithm: Algorithm): { publicKey: string; privateKey: string } {
  const { privateKey, publicKey } = keyObjectsFor(algorithm);
  return {
    privateKey: String(privateKey.export({ format: "pem", type: "pkcs8" })),
    publicKey: String(publicKey.export({ format: "pem", type: "spki" })),
  };
}

function keyObjectsFor(algorithm: Algorithm) {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  if (algorithm === "ES256" || algorithm === "ES384" || algorithm === "ES512") {
    return generateKeyPairSync("ec", { namedCurve: CURVES[algorithm] });
  }
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** New keys for an algorithm in files of a folder; the two are one where they are a shared secret. */
export function writeKeys(folder: string, algorithm: Algorithm, name = "key"): KeyFiles {
  const files = { private: join(folder, `${name}.pem`), public: join(folder, `${name}.pub`) };
  const secret = randomBytes(32).toString("hex");
  const { privateKey, publicKey } = algorithm.startsWith("HS")
    ? { privateKey: secret, publicKey: secret }
    : pairFor(algorithm);
  writeFileSync(files.private, privateKey);
  writeFileSync(files.public, publicKey);
  return { ...files, text: publicKey };
}
