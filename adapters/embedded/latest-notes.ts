import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

/** A note of a file of checkpoints: where it begins, and where it and its empty line end. */
export interface NotePlace {
  readonly start: number;
  readonly end: number;
}

const PIECE_BYTES = 64 * 1024;
/** No line of a note is longer. */
const LINE_BYTES_MAX = 4 * 1024;
const NOTE_BYTES_MAX = 64 * 1024;
const BLANK_LINE = "\n\n";
/** The last line of a checkpoint's text; the empty line after it stands before the signatures. */
const ROOT_LINE = /^[A-Za-z0-9+/]{43}=$/;

/**
 * The whole notes of a file, the newest first, read a piece at a time, so that the file may be of any
 * size. A last one that was cut short is left out.
 */
export function* notesFromEnd(path: string): Generator<NotePlace & { readonly text: string }> {
  if (!existsSync(path)) return;
  const file = openSync(path, "r");
  try {
    let end = -1;
    for (const start of endsFromEnd(file)) {
      if (end >= 0) yield { end, start, text: textOf(file, start, end) };
      end = start;
    }
    if (end > 0) yield { end, start: 0, text: textOf(file, 0, end) };
  } finally {
    closeSync(file);
  }
}

/** Positions after the empty lines that end notes, from the end of the file on. */
function* endsFromEnd(file: number): Generator<number> {
  for (let below = fstatSync(file).size; below > 0; below -= PIECE_BYTES) {
    const from = Math.max(0, below - PIECE_BYTES);
    const start = Math.max(0, from - LINE_BYTES_MAX);
    // An empty line may lie across the border of two pieces.
    const text = readPiece(file, start, below + 1);
    const least = from - start;
    for (
      let at = text.lastIndexOf(BLANK_LINE);
      at >= least;
      at = text.lastIndexOf(BLANK_LINE, at)
    ) {
      const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
      if (!ROOT_LINE.test(line)) yield start + at + BLANK_LINE.length;
      at -= 1;
      if (at < 0) break;
    }
  }
}

function textOf(file: number, start: number, end: number): string {
  if (end - start > NOTE_BYTES_MAX) return "";
  // Without the empty line after it.
  return Buffer.from(readPiece(file, start, end - 1), "latin1").toString("utf8");
}

/** Bytes as one character each. */
function readPiece(file: number, start: number, end: number): string {
  const bytes = Buffer.alloc(end - start);
  let length = 0;
  while (length < bytes.length) {
    const read = readSync(file, bytes, length, bytes.length - length, start + length);
    if (read === 0) break;
    length += read;
  }
  return bytes.toString("latin1", 0, length);
}
