import { type Checkpoint, checkpointText } from "../../engine/audit/checkpoint.ts";
import {
  type Note,
  type NoteSigner,
  type NoteVerifier,
  signText,
  writeNote,
} from "../../engine/audit/note.ts";
import { consistencyProof } from "../../engine/audit/proof.ts";
import { leafHashWithin, MerkleTree } from "../../engine/audit/tree.ts";
import { WeirError } from "../../engine/errors.ts";
import type { Clock } from "../../engine/ports.ts";
import { CheckpointFile, lastCheckpoint, lastCosignedSize } from "./checkpoints.ts";
import { type Frame, jsonStart } from "./segments.ts";

export interface TrailOptions {
  readonly logFolder: string;
  readonly clock: Clock;
  /** A checkpoint is signed once so many records came since the last one. */
  readonly everyRecords: number;
  /** Or once so much time has gone by since the last one and there are new records. */
  readonly everyMs: number;
  /**
   * Hands over every record that was written, at once, and forces them to the disk: nothing is signed
   * that power loss could take back.
   */
  readonly sync: () => Promise<void>;
  /** Signs every checkpoint too; null: nobody does. */
  readonly witness?: Cosigner | null;
  /** Told of what could not be signed or written; it is tried again. */
  readonly onNote: (note: WeirError) => void;
}

/** Somebody else who signs a checkpoint if it goes on from the one that was signed last. */
export interface Cosigner {
  readonly verifier: NoteVerifier;
  /** The note with one more signature, or the size that was signed last if that is not `old`. */
  cosign(
    note: Note,
    old: number,
    proof: readonly Buffer[],
  ): Promise<
    | { readonly kind: "signed"; readonly note: Note }
    | { readonly kind: "size"; readonly size: number }
  >;
}

/**
 * The log's Merkle tree and its checkpoints. Records are taken in after their answers have left;
 * checkpoints are signed every so many records, every so often, and at the end.
 */
export class AuditTrail {
  readonly #options: TrailOptions;
  readonly #tree = new MerkleTree();
  readonly #file: CheckpointFile;
  /** The last checkpoint of the file as it was opened; its records must be in the log. */
  readonly #last: Checkpoint | null;
  #signers: readonly NoteSigner[] = [];
  #signedSize = 0;
  /** The note of the last checkpoint, and how far the witness has signed. */
  #signedNote: Note | null = null;
  #witnessedSize = 0;
  #witnessFault = "";
  #signedMs: number;
  #signing: Promise<void> = Promise.resolve();
  #isSigning = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: TrailOptions) {
    this.#options = options;
    this.#file = new CheckpointFile(options.logFolder);
    this.#last = lastCheckpoint(options.logFolder);
    this.#signedSize = this.#last?.size ?? 0;
    this.#signedNote = this.#last?.note ?? null;
    if (options.witness !== undefined && options.witness !== null) {
      this.#witnessedSize = lastCosignedSize(options.logFolder, options.witness.verifier);
      this.#tree.keepFrom(Math.max(0, this.#witnessedSize - 1));
    }
    this.#signedMs = options.clock.nowMs();
  }

  get size(): number {
    return this.#tree.size;
  }

  /** Takes in a record that the log held when it was opened. */
  recall({ bytes, jsonAt }: Frame): void {
    this.#tree.append(leafHashWithin(bytes, jsonAt, bytes.length));
    const last = this.#last;
    if (last === null || last.size !== this.size || this.#tree.root().equals(last.root)) return;
    const message = `the checkpoint signed for ${last.size} records does not fit them; see weir audit verify`;
    throw new WeirError("log.corrupt", message);
  }

  /** Takes in lines as they were written to a segment. */
  take(lines: Buffer): void {
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(NEWLINE, start);
      this.#tree.append(leafHashWithin(lines, jsonStart(lines, start), end));
      start = end + 1;
    }
    if (this.#isDue()) this.#signSoon();
  }

  /**
   * Begins to sign, now that the log was read to its end. A log that is shorter than its last
   * checkpoint has lost records and would have to contradict itself: `log.corrupt`.
   */
  begin(signer: NoteSigner): void {
    const signed = this.#last?.size ?? 0;
    if (signed > this.size) {
      const message = `the log ends at record ${this.size}, but a checkpoint was signed for ${signed}: records were lost or removed; see weir audit verify`;
      throw new WeirError("log.corrupt", message);
    }
    this.#signers = [signer];
    const tickMs = Math.min(this.#options.everyMs, TICK_MS);
    this.#timer = setInterval(() => {
      if (this.#isDue()) this.#signSoon();
    }, tickMs).unref();
  }

  /** The keys that sign from now on. */
  signWith(...signers: readonly NoteSigner[]): void {
    this.#signers = signers;
  }

  /** Signs what is there now, if it is more than was signed; waits until it is on the disk. */
  checkpoint(signers: readonly NoteSigner[] = this.#signers): Promise<void> {
    const done = this.#signing.then(() => this.#sign(signers));
    this.#signing = done.catch(() => undefined);
    return done;
  }

  /** Signs the rest and closes the file. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    try {
      if (this.#signers.length > 0) await this.checkpoint();
    } catch (thrown) {
      this.#options.onNote(unsigned(thrown));
    }
    this.#file.close();
  }

  #isDue(): boolean {
    const { clock, everyMs, everyRecords } = this.#options;
    const fresh = this.size - this.#signedSize;
    const isLate = clock.nowMs() - this.#signedMs >= everyMs;
    return fresh >= everyRecords || (isLate && (fresh > 0 || this.#isUnwitnessed()));
  }

  #signSoon(): void {
    if (this.#isSigning || this.#signers.length === 0) return;
    this.#isSigning = true;
    void this.checkpoint()
      .catch((thrown: unknown) => this.#options.onNote(unsigned(thrown)))
      .finally(() => {
        this.#isSigning = false;
      });
  }

  async #sign(signers: readonly NoteSigner[]): Promise<void> {
    // Takes in what was written up to here, so that the root is of exactly what is being synced.
    const synced = this.#options.sync();
    const { size } = this;
    const [signer] = signers;
    if (signer === undefined) return synced;
    this.#signedMs = this.#options.clock.nowMs();
    const root = this.#tree.root();
    await synced;
    if (size > this.#signedSize) {
      const text = checkpointText(signer.verifier.name, size, root);
      const note = { signatures: signers.map((one) => signText(text, one)), text };
      await this.#file.append(writeNote(note));
      this.#signedSize = size;
      this.#signedNote = note;
    }
    await this.#haveCosigned();
  }

  #isUnwitnessed(): boolean {
    const { witness = null } = this.#options;
    return witness !== null && this.#witnessedSize < this.#signedSize;
  }

  /** Has the witness sign the last checkpoint; without it the log goes on, and it is asked again. */
  async #haveCosigned(): Promise<void> {
    const { witness = null } = this.#options;
    const size = this.#signedSize;
    if (witness === null || this.#signedNote === null || !this.#isUnwitnessed()) return;
    try {
      const note = await this.#ask(witness, this.#signedNote, this.#witnessedSize, true);
      await this.#file.append(writeNote(note));
      this.#witnessedSize = size;
      this.#tree.keepFrom(size - 1);
      this.#witnessFault = "";
    } catch (thrown) {
      const { message } = WeirError.from(thrown);
      if (message === this.#witnessFault) return;
      this.#witnessFault = message;
      this.#options.onNote(unsigned(thrown));
    }
  }

  async #ask(witness: Cosigner, note: Note, old: number, mayAgain: boolean): Promise<Note> {
    const size = this.#signedSize;
    const proof = consistencyProof(this.#tree, old, size);
    const reply = await witness.cosign(note, old, proof);
    if (reply.kind === "signed") return reply.note;
    // Its answer to an earlier request may have been lost.
    const mayGoOn = mayAgain && reply.size <= size;
    if (mayGoOn && this.#tree.reaches(reply.size)) {
      return this.#ask(witness, note, reply.size, false);
    }
    const signed = `the witness ${witness.verifier.name} has signed ${reply.size} records of this log`;
    const message = mayGoOn
      ? `${signed}, but ${this.#witnessedSize} before: its data were set back; restore them, or have it begin anew with another key`
      : `${signed} that are not the ${size} here: one of them is a fork`;
    throw new WeirError("log.corrupt", message);
  }
}

const NEWLINE = 0x0a;
const TICK_MS = 1_000;

function unsigned(thrown: unknown): WeirError {
  const { message } = WeirError.from(thrown);
  return new WeirError("log.unavailable", `a checkpoint could not be signed: ${message}`, {
    cause: thrown,
  });
}
