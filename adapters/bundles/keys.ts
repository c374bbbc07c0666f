import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";

import { WeirError } from "../../engine/errors.ts";

/** Signature algorithms of JWTs that OPA and Weir both know. */
export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "HS256",
  "HS384",
  "HS512",
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** A key that bundles are signed with. */
export interface SigningKey {
  readonly algorithm: Algorithm;
  readonly key: KeyObject | Uint8Array;
}

/** A key whose signatures are believed. */
export interface VerificationKey extends SigningKey {
  /** What the signature's scope has to be; "": none. */
  readonly scope: string;
}

/** Keys by the id that a signature names; one key alone, without an id, is meant whatever it names. */
export type VerificationKeys = ReadonlyMap<string, VerificationKey> | VerificationKey;

/**
 * The private key in a PEM file, or with one of the HS algorithms the file's text as the secret.
 * Without an algorithm it follows from the key: RS256, ES256, ES384, ES512 or EdDSA.
 */
export function readSigningKey(path: string, algorithm?: string): SigningKey {
  const text = readKeyFile(path);
  if (algorithm?.startsWith("HS") === true) return secretKey(text, algorithmOf(path, algorithm));
  const key = pem(path, () => createPrivateKey(text), "private key");
  return { algorithm: fitting(path, key, algorithm), key };
}

/**
 * What a file allows: a public key or a certificate in PEM; with an HS algorithm, a secret; or, as
 * JSON in the form of OPA's `keys` configuration, keys by id: `{"ID": {"key", "algorithm", "scope"}}`.
 * Anything else is `config.invalid`, with the path.
 */
export function readVerificationKeys(path: string, algorithm?: string): VerificationKeys {
  const text = readKeyFile(path);
  if (algorithm?.startsWith("HS") === true) {
    return { ...secretKey(text, algorithmOf(path, algorithm)), scope: "" };
  }
  if (!text.trimStart().startsWith("{")) return publicKey(path, text, algorithm);
  const keys = keyTable(path, text);
  return new Map(
    Object.entries(keys).map(([id, entry]) => [id, readEntry(`${path}: ${id}`, entry)]),
  );
}

function readEntry(place: string, entry: unknown): VerificationKey {
  const {
    algorithm,
    key,
    scope = "",
    ...others
  } = Object(entry) as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(others);
  if (unknown.length > 0)
    throw refused(place, `${unknown.join(", ")} is not known; known are key, algorithm, scope`);
  if (typeof key !== "string" || typeof scope !== "string") {
    throw refused(place, "key and scope have to be text");
  }
  const named = algorithm === undefined ? undefined : algorithmOf(place, algorithm);
  if (named?.startsWith("HS") === true) return { ...secretKey(key, named), scope };
  return { ...publicKey(place, key, named), scope };
}

function keyTable(path: string, text: string): Readonly<Record<string, unknown>> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw refused(path, "is neither PEM nor JSON", cause);
  }
  const { keys = document } = document as { readonly keys?: unknown };
  if (
    keys === null ||
    typeof keys !== "object" ||
    Array.isArray(keys) ||
    Object.keys(keys).length === 0
  ) {
    throw refused(path, 'holds no keys; accepted is {"ID": {"key": "…", "algorithm": "RS256"}}');
  }
  return keys as Readonly<Record<string, unknown>>;
}

function publicKey(place: string, text: string, algorithm?: string): VerificationKey {
  const key = pem(place, () => createPublicKey(text), "public key or certificate");
  return { algorithm: fitting(place, key, algorithm), key, scope: "" };
}

/** As OPA reads it: the secret is the text as it stands. */
function secretKey(text: string, algorithm: Algorithm): SigningKey {
  return { algorithm, key: Buffer.from(text) };
}

const CURVES: Readonly<Record<string, Algorithm>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

/** The algorithm named, if the key can do it; without a name, the key's own. */
function fitting(place: string, key: KeyObject, named?: string): Algorithm {
  const possible = possibleFor(key);
  if (named === undefined) {
    const [own] = possible;
    if (own !== undefined) return own;
    throw refused(place, `a key of type ${key.asymmetricKeyType} signs no bundle`);
  }
  const algorithm = algorithmOf(place, named);
  if (possible.includes(algorithm)) return algorithm;
  throw refused(
    place,
    `the key is of type ${key.asymmetricKeyType}, which does ${possible.join(", ")}, not ${named}`,
  );
}

function possibleFor({ asymmetricKeyDetails, asymmetricKeyType }: KeyObject): readonly Algorithm[] {
  const curve = CURVES[asymmetricKeyDetails?.namedCurve ?? ""];
  if (asymmetricKeyType === "rsa") return ALGORITHMS.filter((name) => /^[RP]S/.test(name));
  if (asymmetricKeyType === "rsa-pss") return ALGORITHMS.filter((name) => name.startsWith("PS"));
  if (asymmetricKeyType === "ec" && curve !== undefined) return [curve];
  return asymmetricKeyType === "ed25519" ? ["EdDSA"] : [];
}

function algorithmOf(place: string, name: unknown): Algorithm {
  const found = ALGORITHMS.find((one) => one === name);
  if (found !== undefined) return found;
  throw refused(
    place,
    `algorithm ${JSON.stringify(name)} is not accepted; accepted are ${ALGORITHMS.join(", ")}`,
  );
}

function pem(place: string, read: () => KeyObject, what: string): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw refused(place, `is no ${what} in PEM; a shared secret needs an HS algorithm`, cause);
  }
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw refused(path, "cannot be read", cause);
  }
}

function refused(place: string, what: string, cause?: unknown): WeirError {
  return new WeirError("config.invalid", `key file ${place}: ${what}`, { cause });
}
