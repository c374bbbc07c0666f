import type { AddCheckpoint } from "./add-checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import {
  checkSignature,
  cosignText,
  type NoteSigner,
  type NoteSignature,
  type NoteVerifier,
} from "./note.ts";
import { isConsistent } from "./proof.ts";
import { EMPTY_ROOT } from "./tree.ts";

/** What a witness answers, c2sp.org/tlog-witness; each kind has one HTTP status there. */
export type WitnessAnswer =
  | { readonly kind: "signed"; readonly signature: NoteSignature }
  | { readonly kind: "unknown_log" | "not_signed" | "malformed" | "not_consistent" }
  /** The checkpoint that was signed last has this size, or another root at it. */
  | { readonly kind: "conflict"; readonly size: number };

/**
 * Decides whether a witness signs a checkpoint, given the one it signed last of that log. It must be
 * kept before the answer leaves, and nothing else may be decided of that log meanwhile.
 */
export function witness(
  { checkpoint, old, proof }: AddCheckpoint,
  latest: Checkpoint | null,
  logs: readonly NoteVerifier[],
  signer: NoteSigner,
  nowMs: number,
): WitnessAnswer {
  const keys = logs.filter(({ name }) => name === checkpoint.origin);
  if (keys.length === 0) return { kind: "unknown_log" };
  if (!keys.some((key) => checkSignature(checkpoint.note, key) === "true"))
    return { kind: "not_signed" };
  if (old > checkpoint.size) return { kind: "malformed" };
  const before = { root: latest?.root ?? EMPTY_ROOT, size: latest?.size ?? 0 };
  const isOther =
    old === checkpoint.size && old === before.size && !before.root.equals(checkpoint.root);
  if (old !== before.size || isOther) return { kind: "conflict", size: before.size };
  if (!isConsistent(before, checkpoint, proof)) return { kind: "not_consistent" };
  const seconds = Math.floor(nowMs / 1_000);
  return { kind: "signed", signature: cosignText(checkpoint.note.text, signer, seconds) };
}
