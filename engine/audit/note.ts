import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";

/**
 * Signed notes, c2sp.org/signed-note: a text, an empty line, and one line for each signature. Keys
 * are written as Go's `sumdb/note` writes them.
 */

/** What a key signs: the text of a note itself, or a witness's statement on it and a time. */
export type KeyKind = "ed25519" | "cosignature";

const KIND_BYTE = { cosignature: 4, ed25519: 1 } as const;
const KEY_BYTES = 32;

/** A public key that somebody trusts. */
export interface NoteVerifier {
  readonly name: string;
  readonly kind: KeyKind;
  /** The key as it is handed on: "NAME+HASH+BASE64". */
  readonly text: string;
  /** First four bytes of the digest over name and key. */
  readonly id: Buffer;
  readonly publicKey: KeyObject;
}

/** A key pair; its text form is the secret. */
export interface NoteSigner {
  readonly verifier: NoteVerifier;
  readonly privateKey: KeyObject;
}

/** One line below a note. */
export interface NoteSignature {
  readonly name: string;
  readonly id: Buffer;
  readonly bytes: Buffer;
}

export interface Note {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Whether a key may have this name: not empty, no blanks, no plus. */
export function isKeyName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !/[\s+\p{Cc}]/u.test(name);
}

/** Reads "NAME+HASH+BASE64"; null if it is none, or its hash is not that of its key. */
export function readVerifier(text: string): NoteVerifier | null {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  if (match === null) return null;
  const [, name = "", digest = "", encoded = ""] = match;
  const bytes = Buffer.from(encoded, "base64");
  const kind = bytes[0] === 1 ? "ed25519" : bytes[0] === 4 ? "cosignature" : null;
  if (kind === null || bytes.length !== 1 + KEY_BYTES || !isKeyName(name)) return null;
  const verifier = verifierOf(name, kind, bytes.subarray(1));
  return verifier.id.toString("hex") === digest ? verifier : null;
}

/** A signer from its 32 secret bytes. */
export function signerOf(name: string, kind: KeyKind, seed: Uint8Array): NoteSigner {
  const der = Buffer.concat([PKCS8_HEAD, seed]);
  const privateKey = createPrivateKey({ format: "der", key: der, type: "pkcs8" });
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { privateKey, verifier: verifierOf(name, kind, Buffer.from(x, "base64url")) };
}

/** The secret form, "PRIVATE+KEY+NAME+HASH+BASE64". */
export function writeSigner(name: string, kind: KeyKind, seed: Uint8Array): string {
  const { id } = signerOf(name, kind, seed).verifier;
  const secret = Buffer.concat([Buffer.from([KIND_BYTE[kind]]), seed]).toString("base64");
  return `PRIVATE+KEY+${name}+${id.toString("hex")}+${secret}`;
}

/** The way back from `writeSigner`; null if it is none. */
export function readSigner(text: string): NoteSigner | null {
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  if (match === null) return null;
  const [, name = "", digest = "", encoded = ""] = match;
  const bytes = Buffer.from(encoded, "base64");
  const kind = bytes[0] === 1 ? "ed25519" : bytes[0] === 4 ? "cosignature" : null;
  if (kind === null || bytes.length !== 1 + KEY_BYTES || !isKeyName(name)) return null;
  const signer = signerOf(name, kind, bytes.subarray(1));
  return signer.verifier.id.toString("hex") === digest ? signer : null;
}

/** DER of an Ed25519 private key up to its 32 bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

function verifierOf(name: string, kind: KeyKind, key: Buffer): NoteVerifier {
  const typed = Buffer.concat([Buffer.from([KIND_BYTE[kind]]), key]);
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), typed]), "buffer").subarray(
    0,
    4,
  );
  const jwk = { crv: "Ed25519", kty: "OKP", x: key.toString("base64url") };
  return {
    id,
    kind,
    name,
    publicKey: createPublicKey({ format: "jwk", key: jwk }),
    text: `${name}+${id.toString("hex")}+${typed.toString("base64")}`,
  };
}

/** Splits a note; null if it is none. A note has at most 64 signatures. */
export function readNote(note: string): Note | null {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) return null;
  const lines = note.slice(at + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const match = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
    const bytes = Buffer.from(match?.[2] ?? "", "base64");
    if (match === null || bytes.length < 5) return null;
    signatures.push({ bytes: bytes.subarray(4), id: bytes.subarray(0, 4), name: match[1] ?? "" });
  }
  return { signatures, text: note.slice(0, at + 1) };
}

const SIGNATURES_MAX = 64;

/** One signature line, with its newline. */
export function writeSignature({ bytes, id, name }: NoteSignature): string {
  return `\u2014 ${name} ${Buffer.concat([id, bytes]).toString("base64")}\n`;
}

/** A note of a text (which ends in a newline) and signatures. */
export function writeNote({ signatures, text }: Note): string {
  return `${text}\n${signatures.map(writeSignature).join("")}`;
}

/** The signature of a log's own key. */
export function signText(text: string, { privateKey, verifier }: NoteSigner): NoteSignature {
  const bytes = signBytes(null, Buffer.from(text), privateKey);
  return { bytes, id: verifier.id, name: verifier.name };
}

/** A witness's cosignature (c2sp.org/tlog-cosignature) at a time, in seconds since the epoch. */
export function cosignText(text: string, signer: NoteSigner, seconds: number): NoteSignature {
  const { privateKey, verifier } = signer;
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const bytes = signBytes(null, cosigned(text, String(seconds)), privateKey);
  return { bytes: Buffer.concat([time, bytes]), id: verifier.id, name: verifier.name };
}

function cosigned(text: string, seconds: string): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

/** What a key's signature under a note is: absent, false, or true (with its time where it has one). */
export type SignatureState = "absent" | "false" | "true";

export function checkSignature(note: Note, verifier: NoteVerifier): SignatureState {
  const own = note.signatures.filter(
    ({ id, name }) => name === verifier.name && id.equals(verifier.id),
  );
  if (own.length === 0) return "absent";
  return own.every(({ bytes }) => isSigned(note.text, bytes, verifier)) ? "true" : "false";
}

function isSigned(text: string, bytes: Buffer, { kind, publicKey }: NoteVerifier): boolean {
  if (kind === "ed25519") return verifyBytes(null, Buffer.from(text), publicKey, bytes);
  if (bytes.length !== 72) return false;
  const signed = cosigned(text, String(bytes.readBigUInt64BE()));
  return verifyBytes(null, signed, publicKey, bytes.subarray(8));
}
