import type { Checkpoint } from "../../engine/audit/checkpoint.ts";
import { consistencyProof, inclusionProof } from "../../engine/audit/proof.ts";
import { writePath } from "../../engine/audit/proof-file.ts";
import { leafHashWithin, MerkleTree } from "../../engine/audit/tree.ts";
import { WeirError } from "../../engine/errors.ts";
import type { LogLine } from "../../engine/record/record.ts";
import { readFrame, readFrames } from "./segments.ts";

/** Says of a record's JSON, as bytes, whether it may be wanted, and of the record whether it is. */
export interface Wanted {
  readonly mayBe: (number: number, json: Buffer) => boolean;
  readonly is: (number: number, line: LogLine) => boolean;
}

/** A record that was found; `path` proves it, and is null where no checkpoint covers it yet. */
export interface FoundRecord {
  readonly number: number;
  readonly path: readonly string[] | null;
  readonly record: LogLine;
}

/**
 * Reads a log and proves each record that is wanted to be in it, under a checkpoint. One pass; of the
 * tree only what the proofs need is kept.
 */
export function findRecords(
  logFolder: string,
  checkpoint: Checkpoint | null,
  wanted: Wanted,
): readonly FoundRecord[] {
  const tree = new MerkleTree();
  const size = checkpoint?.size ?? 0;
  const found: { readonly number: number; readonly record: LogLine }[] = [];
  for (const frame of readFrames(logFolder)) {
    const { bytes, jsonAt, number } = frame;
    if (wanted.mayBe(number, bytes.subarray(jsonAt))) {
      const read = readFrame(frame);
      if (typeof read === "string") throw new WeirError("log.corrupt", `record ${number}: ${read}`);
      if (wanted.is(number, read.line)) {
        found.push({ number, record: read.line });
        tree.keep(number - 1);
      }
    }
    if (tree.size < size) tree.append(leafHashWithin(bytes, jsonAt, bytes.length));
  }
  if (checkpoint !== null) expectRoot(tree, checkpoint);
  return found.map(({ number, record }) => ({
    number,
    path: number > size ? null : writePath(inclusionProof(tree, number - 1, size)),
    record,
  }));
}

/** The records that are about one decision. */
export function aboutDecision(id: string): Wanted {
  return {
    is: (_number, line) =>
      (line.kind === "decision" && line.id === id) ||
      ((line.kind === "entry" || line.kind === "report") && line.decision_id === id),
    mayBe: (_number, json) => json.includes(id),
  };
}

/** The record of one number. */
export function numbered(wanted: number): Wanted {
  return { is: () => true, mayBe: (number) => number === wanted };
}

/** Proves that the log of the newer checkpoint begins with that of the older one; null if it does not. */
export function proveConsistency(
  logFolder: string,
  old: Checkpoint,
  newer: Checkpoint,
): readonly string[] | null {
  const tree = new MerkleTree();
  if (old.size > 0) tree.keep(old.size - 1);
  for (const { bytes, jsonAt } of readFrames(logFolder)) {
    if (tree.size === newer.size) break;
    tree.append(leafHashWithin(bytes, jsonAt, bytes.length));
  }
  expectRoot(tree, newer);
  if (!tree.root(old.size).equals(old.root)) return null;
  return writePath(consistencyProof(tree, old.size, newer.size));
}

function expectRoot(tree: MerkleTree, { root, size }: Checkpoint): void {
  if (tree.size < size) {
    throw new WeirError(
      "log.corrupt",
      `the checkpoint is of ${size} records, and the log holds ${tree.size}`,
    );
  }
  if (!tree.root().equals(root)) {
    const message = `the checkpoint of ${size} records does not fit the log; see weir audit verify`;
    throw new WeirError("log.corrupt", message);
  }
}
