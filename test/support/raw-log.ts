import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { LineBuffer } from "../../adapters/embedded/segments.ts";

/** The one segment of a data folder's log: its lines as they lie there. */
export class RawLog {
  readonly file: string;
  readonly checkpoints: string;

  constructor(folder: string) {
    const [name] = readdirSync(join(folder, "log")).filter((one) => one.endsWith(".log"));
    this.file = join(folder, "log", name as string);
    this.checkpoints = join(folder, "log/checkpoints");
  }

  lines(): string[] {
    return readFileSync(this.file, "utf8").trimEnd().split("\n");
  }

  write(lines: readonly string[]): void {
    writeFileSync(this.file, lines.map((line) => `${line}\n`).join(""));
  }

  /** The JSON of every line. */
  records(): string[] {
    return this.lines().map((line) => line.slice(line.indexOf("{")));
  }

  /** Writes records with numbers and checksums that fit, as somebody who knows the format would. */
  writeRecords(records: readonly string[]): void {
    const lines = new LineBuffer();
    for (const [index, json] of records.entries()) lines.add(index + 1, json);
    writeFileSync(this.file, lines.take());
  }

  /** The checkpoints' notes, each with the empty line after it. */
  notes(): string[] {
    return readFileSync(this.checkpoints, "utf8").split(/(?<=\u2014 [^\n]+\n\n)/u);
  }

  writeNotes(notes: readonly string[]): void {
    writeFileSync(this.checkpoints, notes.join(""));
  }
}
