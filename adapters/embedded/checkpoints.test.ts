import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { checkpointText } from "../../engine/audit/checkpoint.ts";
import { cosignText, signerOf, signText, writeNote } from "../../engine/audit/note.ts";
import { leafHash } from "../../engine/audit/tree.ts";
import {
  CheckpointFile,
  checkpointsPath,
  lastCheckpoint,
  lastCosignedSize,
  readCheckpoints,
} from "./checkpoints.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-checkpoints-"));
});
afterEach(() => rmSync(folder, { force: true, recursive: true }));

const log = signerOf("example.com/log", "ed25519", Buffer.alloc(32, 1));
const witness = signerOf("w.example/1", "cosignature", Buffer.alloc(32, 2));
const path = () => checkpointsPath(folder);

function noteOf(size: number, ...witnesses: (typeof log)[]): string {
  const text = checkpointText(log.verifier.name, size, leafHash(Buffer.from(String(size))));
  const cosigned = witnesses.map((signer) => cosignText(text, signer, 1));
  return `${writeNote({ signatures: [signText(text, log), ...cosigned], text })}\n`;
}

const sizes = () => [...readCheckpoints(folder)].map(({ checkpoint }) => checkpoint?.size);

describe("the file of checkpoints", () => {
  test("of more than two gigabytes opens at once, and its newest checkpoints are found", () => {
    writeFileSync(path(), "");
    truncateSync(path(), 2_300_000_000);
    appendFileSync(path(), `\n\n${noteOf(7, witness)}${noteOf(9)}`);
    const { size } = statSync(path());
    expect(lastCheckpoint(folder)?.size).toBe(9);
    expect(lastCosignedSize(folder, witness.verifier)).toBe(7);
    new CheckpointFile(folder).close();
    expect(statSync(path()).size).toBe(size);
  });

  test("loses nothing but a note that was cut short, wherever that was", async () => {
    const whole = noteOf(3) + noteOf(5, witness);
    const torn = noteOf(8, witness);
    const whole8 = Buffer.byteLength(torn);
    const lengths = Array.from({ length: whole8 + 1 }, (_, length) => length);
    // Every sort of place: each line's ends, and within lines.
    for (const length of lengths.filter((at) => at % 13 === 0 || /\n|^$/.test(torn.charAt(at)))) {
      const isWhole = length === whole8;
      const kept = Buffer.from(torn).subarray(0, length);
      writeFileSync(path(), Buffer.concat([Buffer.from(whole), kept]));
      expect(lastCheckpoint(folder)?.size, `${length} bytes`).toBe(isWhole ? 8 : 5);
      const opened = new CheckpointFile(folder);
      await opened.append(noteOf(9).slice(0, -1));
      opened.close();
      expect(sizes(), `${length} bytes`).toEqual(isWhole ? [3, 5, 8, 9] : [3, 5, 9]);
    }
  });

  test("keeps a note that was damaged: it is not ours to drop", () => {
    const damaged = noteOf(5).replace("\u2014", "-");
    writeFileSync(path(), noteOf(3) + damaged);
    new CheckpointFile(folder).close();
    expect(readFileSync(path(), "utf8")).toBe(noteOf(3) + damaged);
    expect(lastCheckpoint(folder)?.size).toBe(3);
  });

  test("is read the same from its end as from its beginning, over many pieces", () => {
    const notes = Array.from({ length: 1_500 }, (_, index) =>
      index % 7 === 3 ? noteOf(index + 1, witness) : noteOf(index + 1),
    );
    for (const count of [1, 2, 400, 1_499, 1_500]) {
      writeFileSync(path(), notes.slice(0, count).join(""));
      expect(sizes()).toHaveLength(count);
      expect(lastCheckpoint(folder)?.size).toBe(count);
    }
    writeFileSync(
      path(),
      noteOf(2, witness) + notes.filter((_, index) => index % 7 !== 3).join(""),
    );
    expect(lastCosignedSize(folder, witness.verifier)).toBe(2);
    writeFileSync(path(), "");
    expect(lastCheckpoint(folder)).toBeNull();
    expect(lastCosignedSize(folder, witness.verifier)).toBe(0);
  });
});
