import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { WeirError } from "../../engine/errors.ts";

/** One line of the file: a setting and its text. */
export interface FileEntry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** The entries of a flat YAML map of plain values; an empty file has none. */
export function readEntries(text: string, file: string): readonly FileEntry[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    throw wrong(file, lines.linePos(error.pos[0]).line, error.message.toLowerCase());
  }
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return [];
  if (!isMap(root)) throw wrong(file, 1, 'not a list of "name: value" lines');
  return root.items.map(({ key, value }) => {
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    const { line } = lines.linePos(offset);
    if (!isScalar(key)) throw wrong(file, line, "a key is not a name");
    const name = String(key.value);
    if (!isScalar(value) || value.value === null) {
      throw wrong(file, line, `${name} has no plain value`);
    }
    // Numbers and booleans are read from the text as typed, so that 007 or 1e3 stay what they are.
    const typed = typeof value.value === "string" ? value.value : (value.source ?? "");
    return { key: name, value: typed, line };
  });
}

function wrong(file: string, line: number, why: string): WeirError {
  return new WeirError("config.invalid", `${file}:${line}: ${why}`);
}
