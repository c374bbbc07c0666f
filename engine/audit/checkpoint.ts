import { type Note, readNote } from "./note.ts";
import { HASH_BYTES } from "./tree.ts";

/** A log's tree head, c2sp.org/tlog-checkpoint, and the note that carries it. */
export interface Checkpoint {
  /** Which log. */
  readonly origin: string;
  /** Records it covers. */
  readonly size: number;
  readonly root: Buffer;
  readonly note: Note;
}

/** Text of a checkpoint, to be signed. */
export function checkpointText(origin: string, size: number, root: Buffer): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Reads a checkpoint's note; null if it is none. Signatures are not checked. */
export function readCheckpoint(text: string): Checkpoint | null {
  const note = readNote(text);
  const match = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*$/.exec(
    note?.text ?? "",
  );
  if (note === null || match === null) return null;
  const [, origin = "", digits = "", encoded = ""] = match;
  const size = Number(digits);
  const root = Buffer.from(encoded, "base64");
  return Number.isSafeInteger(size) && root.length === HASH_BYTES
    ? { note, origin, root, size }
    : null;
}
