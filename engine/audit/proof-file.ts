import { canonicalJson } from "../record/canonical.ts";
import type { LogLine } from "../record/record.ts";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { checkSignature, type NoteVerifier, readVerifier, writeNote } from "./note.ts";
import { isConsistent, rootFromInclusion } from "./proof.ts";
import type { LogProof, Trust } from "./log-check.ts";
import { HASH_BYTES, leafHash } from "./tree.ts";

/** Records of one log with what proves that they are in it; one file, checked anywhere. */
export interface InclusionFile {
  readonly format: "weir-audit-proof/1";
  /** The signed note. */
  readonly checkpoint: string;
  /** The key that signed it, for those who have no better source. */
  readonly key: string;
  readonly records: readonly IncludedRecord[];
}

export interface IncludedRecord {
  /** Counted from 1; the leaf's index is one less. */
  readonly number: number;
  /** Its canonical JSON (RFC 8785) is the leaf. */
  readonly record: LogLine;
  /** Hashes from the leaf's sibling up, base64. */
  readonly path: readonly string[];
}

/** That the log of a newer checkpoint begins with that of an older one. */
export interface ConsistencyFile {
  readonly format: "weir-audit-consistency/1";
  readonly old: string;
  readonly new: string;
  readonly key: string;
  readonly path: readonly string[];
}

export type ProofFile = InclusionFile | ConsistencyFile;

/** Reads a proof; null if the text is none. */
export function readProofFile(text: string): ProofFile | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const file = value as Readonly<Record<string, unknown>>;
  if (typeof file["key"] !== "string") return null;
  if (file["format"] === "weir-audit-proof/1") {
    const { checkpoint, records } = file;
    const sound =
      typeof checkpoint === "string" && Array.isArray(records) && records.every(isIncluded);
    return sound ? (value as InclusionFile) : null;
  }
  const sound =
    file["format"] === "weir-audit-consistency/1" &&
    typeof file["old"] === "string" &&
    typeof file["new"] === "string" &&
    isPath(file["path"]);
  return sound ? (value as ConsistencyFile) : null;
}

function isIncluded(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { number, path, record } = value as Readonly<Record<string, unknown>>;
  return (
    Number.isSafeInteger(number) && typeof record === "object" && record !== null && isPath(path)
  );
}

function isPath(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length < 64 && value.every((node) => typeof node === "string")
  );
}

/** A path as it stands in a file. */
export function writePath(path: readonly Buffer[]): readonly string[] {
  return path.map((node) => node.toString("base64"));
}

function readPath(path: readonly string[]): readonly Buffer[] | null {
  const nodes = path.map((node) => Buffer.from(node, "base64"));
  return nodes.every(({ length }) => length === HASH_BYTES) ? nodes : null;
}

/** Checks a proof as `LogCheck` checks a log. */
export function checkProofFile(file: ProofFile, trust: Trust): LogProof {
  return file.format === "weir-audit-proof/1"
    ? checkInclusion(file, trust)
    : checkConsistency(file, trust);
}

function checkInclusion(file: InclusionFile, trust: Trust): LogProof {
  const found = new Found(file.key, trust);
  const checkpoint = found.open("checkpoint", file.checkpoint);
  for (const { number, path, record } of checkpoint === null ? [] : file.records) {
    const { root, size } = checkpoint as Checkpoint;
    const leaf = leafHash(Buffer.from(canonicalJson(record)));
    const nodes = readPath(path);
    const made = nodes === null ? null : rootFromInclusion(leaf, number - 1, size, nodes);
    if (made?.equals(root) === true) continue;
    const what = `its proof does not lead to the root of the checkpoint: the record, its number or the proof was altered`;
    found.problem(`record ${number}`, what);
  }
  return found.result(file.records.length);
}

function checkConsistency(file: ConsistencyFile, trust: Trust): LogProof {
  const found = new Found(file.key, trust);
  const old = found.open("old", file.old);
  const newer = found.open("new", file.new);
  if (old === null || newer === null) return found.result(0);
  const path = readPath(file.path);
  if (old.origin !== newer.origin) {
    found.problem("new", `is of the log ${newer.origin}, the old one of ${old.origin}`);
  } else if (path === null || !isConsistent(old, newer, path)) {
    const what = `nothing proves that its ${newer.size} records begin with the ${old.size} of the old one: a fork, or the proof was altered`;
    found.problem("new", what);
  }
  return found.result(0);
}

/** What is found out about a proof. */
class Found {
  readonly #problems: { at: string; what: string }[] = [];
  readonly #trust: Trust;
  readonly #keys: readonly NoteVerifier[];
  #checkpoints = 0;
  #origin = "";
  #signed = 0;
  #witnessed = 0;

  constructor(named: string, trust: Trust) {
    this.#trust = trust;
    const key = readVerifier(named);
    this.#keys = trust.keys.length > 0 || key === null ? trust.keys : [key];
  }

  problem(at: string, what: string): void {
    this.#problems.push({ at, what });
  }

  open(at: string, text: string): Checkpoint | null {
    const checkpoint = readCheckpoint(text);
    if (checkpoint === null) {
      this.problem(at, "is not a checkpoint");
      return null;
    }
    this.#checkpoints += 1;
    this.#origin = checkpoint.origin;
    const states = this.#keys.map((key) => checkSignature(checkpoint.note, key));
    if (states.includes("false"))
      this.problem(at, "its signature is not of this text: it is forged");
    else if (states.includes("true")) this.#signed = checkpoint.size;
    else this.problem(at, "no key that is trusted has signed it");
    this.#openCosignature(at, checkpoint);
    return checkpoint;
  }

  #openCosignature(at: string, { note, size }: Checkpoint): void {
    const { witness } = this.#trust;
    if (witness === null) return;
    const state = checkSignature(note, witness);
    if (state === "true") this.#witnessed = size;
    else
      this.problem(
        at,
        `the witness ${witness.name} has ${state === "absent" ? "not signed it" : "signed another text"}`,
      );
  }

  result(records: number): LogProof {
    return {
      checkpoints: this.#checkpoints,
      keys: this.#keys.map(({ text }) => text),
      origin: this.#origin,
      problems: this.#problems,
      records,
      signed: this.#signed,
      witnessed: this.#witnessed,
    };
  }
}

/** A checkpoint's note as text. */
export function noteOf({ note }: Checkpoint): string {
  return writeNote(note);
}
