import { compactVerify, CompactSign, decodeProtectedHeader, errors } from "jose";

import { WeirError } from "../../engine/errors.ts";
import { type BundleArchive, SIGNATURES } from "./archive.ts";
import { fileDigest } from "./file-digest.ts";
import type { SigningKey, VerificationKey, VerificationKeys } from "./keys.ts";

/** Who signed a bundle. */
export interface SignedBy {
  /** The id of the key as the signature names it; "": it names none. */
  readonly keyId: string;
  readonly algorithm: string;
}

export interface SigningOptions {
  /** By which verifiers find the key; absent: none is named. */
  readonly keyId?: string;
  readonly scope?: string;
}

/** The bundle with OPA's signature over every other file in it, in place of one that was there. */
export async function signArchive(
  files: BundleArchive,
  { algorithm, key }: SigningKey,
  { keyId, scope }: SigningOptions = {},
): Promise<BundleArchive> {
  const content = [...files].filter(([name]) => name !== SIGNATURES);
  const hashed = content
    .map(([name, bytes]) => ({
      algorithm: "SHA-256",
      hash: fileDigest(name, bytes, "SHA-256"),
      name,
    }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  // OPA before 0.25 looks for the key's id in the payload; later ones in the header too.
  const payload = {
    files: hashed,
    ...(keyId !== undefined && { keyid: keyId }),
    ...(scope !== undefined && { scope }),
  };
  const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: algorithm, typ: "JWT", ...(keyId !== undefined && { kid: keyId }) })
    .sign(key);
  const signatures = `${JSON.stringify({ signatures: [token] }, null, 1)}\n`;
  return new Map([...content, [SIGNATURES, Buffer.from(signatures)]]);
}

/**
 * Checks that one of the keys signed exactly these files; anything else is `bundle.invalid`: no
 * signature, more than one, an unknown key, another algorithm or scope than the key's, a file that is
 * changed, missing or not signed.
 */
export async function verifyArchive(
  files: BundleArchive,
  keys: VerificationKeys,
): Promise<SignedBy> {
  const token = tokenOf(files);
  const header = headerOf(token);
  const unverified = payloadOf(Buffer.from(token.split(".")[1] ?? "", "base64url"));
  const keyId = header.kid ?? unverified.keyid ?? "";
  const key = keyOf(keys, keyId);
  let payload: Payload;
  try {
    const verified = await compactVerify(token, key.key, { algorithms: [key.algorithm] });
    payload = payloadOf(verified.payload);
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError)) throw cause;
    const what =
      header.alg === key.algorithm
        ? "the signature does not match"
        : `it is signed with ${JSON.stringify(header.alg)}, the key is for ${key.algorithm}`;
    throw unsigned(`${what} (${named(keyId)})`, cause);
  }
  if ((payload.scope ?? "") !== key.scope) {
    throw unsigned(
      `its scope is ${JSON.stringify(payload.scope ?? "")}, the key is for ${JSON.stringify(key.scope)}`,
    );
  }
  expectFiles(files, payload.files);
  return { algorithm: key.algorithm, keyId };
}

interface Payload {
  readonly files: readonly {
    readonly name: string;
    readonly hash: string;
    readonly algorithm: string;
  }[];
  readonly keyid?: string;
  readonly scope?: string;
}

function tokenOf(files: BundleArchive): string {
  const text = files.get(SIGNATURES);
  if (text === undefined) throw unsigned(`it holds no ${SIGNATURES}`);
  const { plugin, signatures } = parseObject(text, SIGNATURES);
  if (plugin !== undefined && plugin !== "" && plugin !== "_default") {
    throw unsigned(`it is signed by a plugin, ${JSON.stringify(plugin)}`);
  }
  const tokens: readonly unknown[] = Array.isArray(signatures) ? signatures : [];
  const [token] = tokens;
  if (tokens.length === 1 && typeof token === "string") return token;
  throw unsigned(`${SIGNATURES} holds ${tokens.length} signatures instead of one`);
}

function headerOf(token: string): { readonly alg?: string; readonly kid?: string } {
  try {
    return decodeProtectedHeader(token);
  } catch (cause) {
    throw unsigned("its signature is no JWT", cause);
  }
}

function payloadOf(bytes: Uint8Array): Payload {
  const { files, keyid, scope } = parseObject(bytes, "its signature's payload");
  const isFile = (one: unknown): boolean => {
    const { algorithm, hash, name } = Object(one) as Record<string, unknown>;
    return [algorithm, hash, name].every((text) => typeof text === "string");
  };
  const optional = [keyid, scope].every((text) => text === undefined || typeof text === "string");
  if (!Array.isArray(files) || !files.every(isFile) || !optional) {
    throw unsigned("its signature's payload is not of OPA's form");
  }
  return { files, keyid, scope } as Payload;
}

function parseObject(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(Buffer.from(bytes).toString("utf8"))) as Readonly<
      Record<string, unknown>
    >;
  } catch (cause) {
    throw unsigned(`${what} is not JSON`, cause);
  }
}

function keyOf(keys: VerificationKeys, keyId: string): VerificationKey {
  if (!(keys instanceof Map)) return keys as VerificationKey;
  const known = keys as ReadonlyMap<string, VerificationKey>;
  const key = known.get(keyId);
  if (key !== undefined) return key;
  throw unsigned(`it is signed with ${named(keyId)}; allowed are ${[...known.keys()].join(", ")}`);
}

function expectFiles(files: BundleArchive, signed: Payload["files"]): void {
  const byName = new Map(signed.map((file) => [file.name, file]));
  for (const [name, content] of files) {
    if (name === SIGNATURES) continue;
    const file = byName.get(name);
    if (file === undefined) throw unsigned(`${name} is not among the files that were signed`);
    const digest = fileDigest(name, content, file.algorithm);
    if (digest !== file.hash.toLowerCase())
      throw unsigned(`${name} was changed after it was signed`);
    byName.delete(name);
  }
  const missing = [...byName.keys()];
  if (missing.length > 0) throw unsigned(`${missing.join(", ")} was signed and is missing`);
}

function named(keyId: string): string {
  return keyId === "" ? "a key without an id" : `key ${JSON.stringify(keyId)}`;
}

function unsigned(why: string, cause?: unknown): WeirError {
  return new WeirError("bundle.invalid", `the bundle has no valid signature: ${why}`, { cause });
}
