/**
 * Takes the closing figures out of a stream of OpenAI's form, where only we had asked for them. Whole
 * lines go on as they come; the end of a chunk waits for its line.
 */
export class ClosingFigures {
  #pending = Buffer.alloc(0);
  #dropped = false;

  /** The bytes that go on to the client. */
  push(chunk: Uint8Array, isLast: boolean): Buffer {
    const whole = Buffer.concat([this.#pending, chunk]);
    const end = isLast ? whole.length : whole.lastIndexOf(LF) + 1;
    this.#pending = whole.subarray(end);
    if (this.#pending.length > LINE_BYTES_MAX) {
      const out = this.#pending;
      this.#pending = Buffer.alloc(0);
      return Buffer.concat([this.#keep(whole.subarray(0, end)), out]);
    }
    return this.#keep(whole.subarray(0, end));
  }

  #keep(text: Buffer): Buffer {
    // Nearly every chunk holds no figures: it goes on without being taken apart.
    if (!this.#dropped && text.indexOf(USAGE) < 0) return text;
    const kept: Buffer[] = [];
    for (let from = 0; from < text.length;) {
      const newline = text.indexOf(LF, from);
      const to = newline < 0 ? text.length : newline + 1;
      const line = text.subarray(from, to);
      if (this.#passes(line)) kept.push(line);
      from = to;
    }
    return Buffer.concat(kept);
  }

  /** The blank line that ends a dropped event goes with it. */
  #passes(line: Buffer): boolean {
    if (this.#dropped) {
      this.#dropped = false;
      if (/^\r?\n?$/.test(line.toString("latin1"))) return false;
    }
    if (line.indexOf(USAGE) < 0 || !isClosing(line.toString())) return true;
    this.#dropped = true;
    return false;
  }
}

const LF = 10;
const USAGE = '"usage"';
/** A longer line is no closing figures. */
const LINE_BYTES_MAX = 1024 * 1024;

function isClosing(line: string): boolean {
  return (
    line.startsWith("data:") &&
    /"choices"\s*:\s*\[\s*\]/.test(line) &&
    /"usage"\s*:\s*\{/.test(line)
  );
}
