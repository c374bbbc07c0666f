import {
  closeSync,
  existsSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { type Checkpoint, readCheckpoint } from "../../engine/audit/checkpoint.ts";
import { checkSignature, type NoteVerifier } from "../../engine/audit/note.ts";
import { notesFromEnd } from "./latest-notes.ts";
import { rawLines } from "./segments.ts";

/** The file of a log folder that holds every checkpoint: signed notes, an empty line after each. */
export function checkpointsPath(logFolder: string): string {
  return join(logFolder, "checkpoints");
}

/** A note of the file, and the line at which it begins. */
export interface PlacedCheckpoint {
  readonly position: number;
  /** null: what stands there is no checkpoint. */
  readonly checkpoint: Checkpoint | null;
}

/** Every checkpoint in order, read a piece at a time; a last one that was cut short is left out. */
export function* readCheckpoints(logFolder: string): Generator<PlacedCheckpoint> {
  const path = checkpointsPath(logFolder);
  if (!existsSync(path)) return;
  let lines: string[] = [];
  let position = 0;
  let blanks = 0;
  for (const { bytes, whole } of rawLines(path)) {
    if (!whole) return;
    position += 1;
    if (bytes.length === 0) blanks += 1;
    if (blanks < 2) {
      lines.push(bytes.toString("utf8"));
      continue;
    }
    const text = lines.map((line) => `${line}\n`).join("");
    yield { checkpoint: readCheckpoint(text), position: position - lines.length };
    lines = [];
    blanks = 0;
  }
}

/** The newest checkpoint of a log; null if there is none. */
export function lastCheckpoint(logFolder: string): Checkpoint | null {
  for (const { text } of notesFromEnd(checkpointsPath(logFolder))) {
    const checkpoint = readCheckpoint(text);
    if (checkpoint !== null) return checkpoint;
  }
  return null;
}

/** Size of the newest checkpoint that a witness signed; 0: none. */
export function lastCosignedSize(logFolder: string, witness: NoteVerifier): number {
  for (const { text } of notesFromEnd(checkpointsPath(logFolder))) {
    const checkpoint = readCheckpoint(text);
    const isCosigned = checkpoint?.note.signatures.some(
      ({ id, name }) => name === witness.name && id.equals(witness.id),
    );
    if (checkpoint === null || isCosigned !== true) continue;
    return checkSignature(checkpoint.note, witness) === "true" ? checkpoint.size : 0;
  }
  return 0;
}

/** The checkpoints that a service writes; one that a kill cut short is removed when it opens. */
export class CheckpointFile {
  readonly #descriptor: number;
  #bytes: number;

  constructor(logFolder: string) {
    const path = checkpointsPath(logFolder);
    this.#descriptor = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#descriptor).size;
    const end = endOfLast(path);
    if (end !== this.#bytes) ftruncateSync(this.#descriptor, end);
    this.#bytes = end;
  }

  /** Adds a note; resolves once the disk has it. What was written of it in vain is taken back. */
  async append(note: string): Promise<void> {
    const bytes = Buffer.from(`${note}\n`);
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done);
    } catch (cause) {
      ftruncateSync(this.#descriptor, this.#bytes);
      throw cause;
    }
    this.#bytes += bytes.length;
    await new Promise<void>((resolve, reject) => {
      fdatasync(this.#descriptor, (cause) => (cause === null ? resolve() : reject(cause)));
    });
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Where the last whole note ends. */
function endOfLast(path: string): number {
  for (const { end } of notesFromEnd(path)) return end;
  return 0;
}
