import type { Problem } from "../ledger/verify.ts";
import type { ControlRecord } from "../record/record.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { checkSignature, type NoteVerifier, readVerifier } from "./note.ts";
import { Frontier } from "./tree.ts";

/** Whom a check of a log believes. */
export interface Trust {
  /** Keys of the log; none: the first one that the log itself names. */
  readonly keys: readonly NoteVerifier[];
  /** A witness that must have signed everything; null: none is asked for. */
  readonly witness: NoteVerifier | null;
}

/** A checkpoint and where it stands. */
export interface FoundCheckpoint {
  readonly at: string;
  /** null: what stands there is no checkpoint. */
  readonly checkpoint: Checkpoint | null;
}

/** What a check of a log found. */
export interface LogProof {
  readonly records: number;
  readonly checkpoints: number;
  readonly problems: readonly Problem[];
  /** Records covered by a checkpoint that fits and that a trusted key signed. */
  readonly signed: number;
  /** Records covered by a checkpoint that the witness signed too. */
  readonly witnessed: number;
  /** Keys that were believed. */
  readonly keys: readonly string[];
  /** Which log; "" where no checkpoint says it. */
  readonly origin: string;
}

const PROBLEMS_MAX = 100;

/**
 * Checks records against checkpoints, both in order, in constant memory: whoever removes, alters,
 * swaps or adds a record changes every root after it, and whoever signs another root lacks the key.
 */
export class LogCheck {
  readonly #trust: Trust;
  readonly #checkpoints: Iterator<FoundCheckpoint>;
  readonly #frontier = new Frontier();
  readonly #problems: Problem[] = [];
  #problemCount = 0;
  /** Next checkpoint to compare; undefined: there is none. */
  #next: FoundCheckpoint | undefined;
  #checkpointCount = 0;
  #latest: Checkpoint | null = null;
  /** Damage was found already: roots after it cannot fit. */
  #isBroken = false;
  #signed = 0;
  #witnessed = 0;
  #origin = "";
  readonly #trusted = new Map<string, NoteVerifier>();
  /** Keys that the log names; by their text, with the record that names them. */
  readonly #named = new Map<string, { readonly key: NoteVerifier; readonly record: number }>();
  /** Keys that were replaced, with the record that says so and the key that followed. */
  readonly #replaced = new Map<string, { readonly record: number; readonly by: string }>();
  /** Checkpoints by keys that the log names, but nobody vouched for yet, by key. */
  readonly #unvouched = new Map<string, { readonly at: string; count: number }>();

  constructor(trust: Trust, checkpoints: Iterable<FoundCheckpoint>) {
    this.#trust = trust;
    for (const key of trust.keys) this.#trusted.set(key.text, key);
    this.#checkpoints = checkpoints[Symbol.iterator]();
    this.#advance();
  }

  /** Takes the hash of the next record's leaf; what is said until the next one is about this record. */
  take(leaf: Buffer): void {
    if (this.#frontier.size > 0) this.#compare();
    this.#frontier.append(leaf);
  }

  /** Something is wrong at a place of the log; `breaks`: the tree cannot fit any more. */
  problem(at: string, what: string, breaks = false): void {
    if (breaks) this.#isBroken = true;
    this.#problemCount += 1;
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ at, what });
  }

  /** A change of the signing key, as the record just taken says it. */
  takeKey(record: ControlRecord): void {
    const at = `record ${this.#frontier.size}`;
    const after = readVerifier(record.after);
    if (after === null) {
      this.problem(at, "names a signing key that is none");
      return;
    }
    if (this.#trusted.size === 0) this.#trusted.set(after.text, after);
    this.#named.set(after.text, { key: after, record: this.#frontier.size });
    if (record.before !== "") {
      this.#replaced.set(record.before, { by: after.text, record: this.#frontier.size });
    }
  }

  finish(): LogProof {
    this.#compare();
    for (; this.#next !== undefined; this.#advance()) this.#takeBeyond(this.#next);
    for (const [text, { at, count }] of this.#unvouched) {
      if (this.#trusted.has(text)) continue;
      const others = count > 1 ? `, and ${count - 1} later ones` : "";
      this.problem(at, `is signed by ${text} alone, which no trusted key has vouched for${others}`);
    }
    const { size } = this.#frontier;
    const { witness } = this.#trust;
    if (this.#checkpointCount === 0 && this.#trusted.size > 0 && size > 0) {
      this.problem(
        "checkpoints",
        "there is a signing key and no checkpoint: nothing proves the records",
      );
    }
    if (witness !== null && this.#witnessed < size) {
      const what = `no checkpoint that ${witness.name} signed covers records ${this.#witnessed + 1} to ${size}`;
      this.problem(`record ${this.#witnessed + 1}`, what);
    }
    const unlisted = this.#problemCount - this.#problems.length;
    if (unlisted > 0) this.#problems.push({ at: "", what: `${unlisted} more problems` });
    return {
      checkpoints: this.#checkpointCount,
      keys: [...this.#trusted.keys()],
      origin: this.#origin,
      problems: this.#problems,
      records: size,
      signed: this.#signed,
      witnessed: this.#witnessed,
    };
  }

  #advance(): void {
    const next = this.#checkpoints.next();
    this.#next = next.done === true ? undefined : next.value;
  }

  /** Every checkpoint that is due at the size reached. */
  #compare(): void {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      const { at, checkpoint } = next;
      if (checkpoint === null) this.problem(at, "is not a checkpoint");
      else if (checkpoint.size > this.#frontier.size) return;
      else this.#takeCheckpoint(at, checkpoint);
      this.#advance();
    }
  }

  #takeCheckpoint(at: string, checkpoint: Checkpoint): void {
    this.#checkpointCount += 1;
    const { origin, root, size } = checkpoint;
    const before = this.#latest;
    if (this.#origin === "") this.#origin = origin;
    else if (origin !== this.#origin) {
      this.problem(at, `is of the log ${origin}, the ones before it of ${this.#origin}`);
      return;
    }
    if (before !== null && size === before.size && !root.equals(before.root)) {
      this.problem(
        at,
        `signs another root for ${size} records than the checkpoint before it: a fork`,
      );
      return;
    }
    if (size < this.#frontier.size) {
      if (before === null || size < before.size) {
        this.problem(
          at,
          `is of ${size} records and stands after one of ${before?.size ?? this.#frontier.size}`,
        );
        return;
      }
    } else if (!this.#frontier.root().equals(root)) {
      this.#takeMismatch(at, checkpoint);
      return;
    }
    this.#latest = checkpoint;
    if (!this.#takeSignature(at, checkpoint)) return;
    this.#signed = size;
    this.#takeCosignature(at, checkpoint);
  }

  #takeMismatch(at: string, { size }: Checkpoint): void {
    if (this.#isBroken) return;
    const first = (this.#latest?.size ?? 0) + 1;
    const what = `the root of records 1 to ${size} is not the one that was signed: one of the records ${first} to ${size} was altered, added or removed, or the checkpoint is forged`;
    this.problem(at, what, true);
  }

  /** Whether a trusted key signed; who did not is told. */
  #takeSignature(at: string, { note, size }: Checkpoint): boolean {
    const signers = new Set<string>();
    const known = [...this.#trusted.values(), ...[...this.#named.values()].map(({ key }) => key)];
    for (const key of known) {
      const state = checkSignature(note, key);
      if (state === "true") signers.add(key.text);
      if (state !== "false") continue;
      this.problem(at, `the signature of ${key.name} is not of this text: it is forged`);
      return false;
    }
    const trusted = [...signers].filter((text) => this.#trusted.has(text));
    const [replaced] = trusted;
    // A key that was replaced signs once more, to vouch for the one that follows.
    const isSigned = trusted.some((text) => {
      const by = this.#replacementOf(text, size);
      return by === null || signers.has(by);
    });
    if (isSigned) {
      this.#vouch(size);
      return true;
    }
    const names = note.signatures.map(({ id, name }) => `${name}+${id.toString("hex")}`).join(", ");
    if (replaced !== undefined) {
      this.problem(at, `is signed by ${names}, a key that was replaced before`);
    } else if (signers.size > 0) {
      this.#takeUnvouched(at, signers);
    } else {
      const why =
        this.#trusted.size === 0 ? "the log names no signing key" : "no key that is trusted";
      this.problem(at, `is signed by ${names}: ${why}`);
    }
    return false;
  }

  #replacementOf(text: string, size: number): string | null {
    const replaced = this.#replaced.get(text);
    return replaced === undefined || replaced.record > size ? null : replaced.by;
  }

  #takeUnvouched(at: string, signers: ReadonlySet<string>): void {
    for (const text of signers) {
      const seen = this.#unvouched.get(text);
      if (seen === undefined) this.#unvouched.set(text, { at, count: 1 });
      else seen.count += 1;
    }
  }

  /** What a trusted key has signed holds: the keys named in those records are trusted too. */
  #vouch(size: number): void {
    for (const [text, { key, record }] of this.#named) {
      if (record <= size) this.#trusted.set(text, key);
    }
  }

  #takeCosignature(at: string, { note, size }: Checkpoint): void {
    const { witness } = this.#trust;
    if (witness === null) return;
    const state = checkSignature(note, witness);
    if (state === "false") {
      this.problem(
        at,
        `the signature of the witness ${witness.name} is not of this text: it is forged`,
      );
    }
    if (state === "true") this.#witnessed = size;
  }

  /** A checkpoint of more records than there are. */
  #takeBeyond({ at, checkpoint }: FoundCheckpoint): void {
    if (checkpoint === null) {
      this.problem(at, "is not a checkpoint");
      return;
    }
    this.#checkpointCount += 1;
    const { size } = this.#frontier;
    if (this.#isBroken && this.#problemCount > 0) return;
    this.problem(
      at,
      `was signed for ${checkpoint.size} records, and there are ${size}: the rest was cut off`,
      true,
    );
  }
}
