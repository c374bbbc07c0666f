import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { HASH_BYTES } from "./tree.ts";

/** The request with which a log asks a witness to sign, c2sp.org/tlog-witness. */
export interface AddCheckpoint {
  /** Size of the checkpoint that the witness signed last; 0: none. */
  readonly old: number;
  /** Consistency proof from there. */
  readonly proof: readonly Buffer[];
  readonly checkpoint: Checkpoint;
}

const PROOF_MAX = 63;

/** Body of a request for a checkpoint's note. */
export function writeAddCheckpoint(old: number, proof: readonly Buffer[], note: string): string {
  const lines = proof.map((node) => `${node.toString("base64")}\n`);
  return `old ${old}\n${lines.join("")}\n${note}`;
}

/** Reads such a body; null if it is none. */
export function readAddCheckpoint(body: string): AddCheckpoint | null {
  const end = body.indexOf("\n\n");
  if (end < 0) return null;
  const [head = "", ...lines] = body.slice(0, end).split("\n");
  const digits = /^old (0|[1-9]\d{0,15})$/.exec(head)?.[1];
  const checkpoint = readCheckpoint(body.slice(end + 2));
  if (digits === undefined || checkpoint === null || lines.length > PROOF_MAX) return null;
  if (!lines.every((line) => /^[A-Za-z0-9+/]{43}=$/.test(line))) return null;
  const proof = lines.map((line) => Buffer.from(line, "base64"));
  const old = Number(digits);
  if (!Number.isSafeInteger(old) || proof.some(({ length }) => length !== HASH_BYTES)) return null;
  return { checkpoint, old, proof };
}
