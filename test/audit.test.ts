import { cpSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { SigningKeyFile } from "../adapters/embedded/signing-key.ts";
import { AuditLog } from "../adapters/serve/audit-log.ts";
import { type Verified, verifyFolder } from "../adapters/serve/audit-verify.ts";
import { SteppedClock } from "../adapters/system/clock.ts";
import { readCheckpoint } from "../engine/audit/checkpoint.ts";
import { type NoteVerifier, signerOf, signText, writeNote } from "../engine/audit/note.ts";
import { Frontier, leafHash } from "../engine/audit/tree.ts";
import { canonicalJson } from "../engine/record/canonical.ts";
import { intentOf, LOCAL, openTestEngine, START_MS } from "./support/engine.ts";
import { Random } from "./support/random.ts";
import { RawLog } from "./support/raw-log.ts";
import { Traffic } from "./support/traffic.ts";

// Goal: whatever is done to a log after it was written is found and located. Method: a folder with checkpoints in between, changed on copies in every way somebody might try.

let original: string;
let folder: string;
let log: RawLog;

beforeAll(async () => {
  const engine = await openTestEngine({ checkpointRecords: 1_000 });
  const traffic = new Traffic(engine, new Random(7));
  for (let count = 0; count < 60; count += 1) {
    await traffic.step();
    if (count % 6 === 5) await engine.checkpoint();
  }
  await engine.weir.idle();
  const again = await engine.reopen();
  original = again.copyFolder();
  await again.close();
});
afterAll(() => rmSync(original, { force: true, recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-audit-"));
  cpSync(original, folder, { recursive: true });
  log = new RawLog(folder);
});
afterEach(() => rmSync(folder, { force: true, recursive: true }));

const verify = (keys: readonly NoteVerifier[] = [], evaluate = false): Verified =>
  verifyFolder(folder, { keys, witness: null }, evaluate);
const ownKey = (): NoteVerifier => new SigningKeyFile(original).read()?.verifier as NoteVerifier;

/** Sizes of the checkpoints. */
const sizes = (): number[] =>
  log.notes().map((note) => readCheckpoint(note.slice(0, -1))?.size ?? 0);

test("a log as it was written is sound, under the key that signed it, evaluated again too", () => {
  const found = verify([ownKey()], true);
  const records = log.lines().length;
  expect(found).toMatchObject({ problems: [], records, signed: records });
  expect(found.checkpoints).toBeGreaterThan(5);
  expect(found.evaluated).toBeGreaterThan(20);
});

describe("what was done to the records is found and located:", () => {
  const at = (line: number): unknown =>
    expect.stringMatching(new RegExp(`^000000000001\\.log:${line}$`));

  test("a flipped byte", () => {
    const lines = log.lines();
    for (const line of [0, 20, lines.length - 1]) {
      const bytes = Buffer.from(lines[line] as string);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      log.write(lines.with(line, bytes.toString("latin1")));
      const [first, second] = verify().problems;
      expect(first).toEqual({
        at: at(line + 1),
        what: `record ${line + 1}: the checksum does not match`,
      });
      expect(second?.what).toContain("was altered, added or removed");
    }
  });

  test("a flipped digit of a checksum alone: the checkpoints still prove the record", () => {
    const lines = log.lines();
    log.write(
      lines.with(
        9,
        (lines[9] as string).replace(/ (.)/, (_all, one: string) => ` ${one === "0" ? "1" : "0"}`),
      ),
    );
    expect(verify().problems).toEqual([
      { at: at(10), what: "record 10: the checksum does not match" },
    ]);
  });

  test.each([
    [
      "a removed record",
      (lines: string[]) => lines.toSpliced(19, 1),
      20,
      "record 20 is missing: 21 follows 19",
    ],
    [
      "removed records",
      (lines: string[]) => lines.toSpliced(19, 3),
      20,
      "record 20 to 22 is missing",
    ],
    ["the first record", (lines: string[]) => lines.slice(1), 1, "record 1 is missing"],
    [
      "two swapped records",
      (lines: string[]) => lines.with(19, lines[20] as string).with(20, lines[19] as string),
      20,
      "record 20 is missing",
    ],
    [
      "an inserted record",
      (lines: string[]) => lines.toSpliced(19, 0, lines[18] as string),
      20,
      "record 19 follows 19: it was inserted",
    ],
  ])("%s", (_name, change, line, what) => {
    log.write(change(log.lines()));
    const { problems } = verify();
    expect(problems[0]).toEqual({ at: at(line), what: expect.stringContaining(what) as unknown });
  });

  const careful: Readonly<Record<string, (records: string[]) => string[]>> = {
    "an altered record": (records) =>
      records.with(24, (records[24] as string).replace(/"at_ms":\d/, '"at_ms":2')),
    "a removed record": (records) => records.toSpliced(24, 1),
    "two swapped records": (records) =>
      records.with(24, records[25] as string).with(25, records[24] as string),
    "an inserted record": (records) => records.toSpliced(24, 0, records[3] as string),
  };

  test.each(Object.entries(careful))(
    "%s, with numbers and checksums made to fit",
    (_name, change) => {
      log.writeRecords(change(log.records()));
      const size = sizes().find((one) => one >= 25) as number;
      const before = sizes().findLast((one) => one < 25) as number;
      const { problems, signed } = verify();
      expect(problems).toHaveLength(1);
      expect(problems[0]?.what).toContain(
        `one of the records ${before + 1} to ${size} was altered, added or removed`,
      );
      expect(signed).toBe(before);
    },
  );

  test("records cut off at the end, and the last ones of an export", () => {
    log.writeRecords(log.records().slice(0, -1));
    const { problems } = verify();
    const records = log.lines().length;
    expect(problems.at(-1)?.what).toContain(
      `was signed for ${records + 1} records, and there are ${records}: the rest was cut off`,
    );
  });

  test("a last line that a kill cut short is no problem, one in the middle is", () => {
    const lines = log.lines();
    writeFileSync(log.file, `${lines.join("\n")}\n99 0123`);
    expect(verify().problems).toEqual([]);
    writeFileSync(log.file, `${lines.join("\n")}\n99 0123\n`);
    expect(verify().problems[0]?.what).toContain("not of the form NUMBER CRC JSON");
  });

  test("a record of a version that is not known", () => {
    log.writeRecords(log.records().with(24, '{"kind":"decision","v":2}'));
    expect(verify().problems[0]?.what).toContain("of a version that this Weir does not know");
  });
});

describe("what was done to the checkpoints is found:", () => {
  const stranger = () => signerOf(ownKey().name, "ed25519", Buffer.alloc(32, 1));

  test.each([
    [
      "another size",
      (note: string) =>
        note.replace(/\n(\d+)\n/, (_all, size: string) => `\n${Number(size) - 1}\n`),
    ],
    [
      "another root",
      (note: string) =>
        note.replace(
          /\n[A-Za-z0-9+/]{43}=\n/,
          `\n${leafHash(Buffer.from("x")).toString("base64")}\n`,
        ),
    ],
    ["another signature", (note: string) => note.replace(/.{6}\n\n$/, "AAAA==\n\n")],
    ["a text that is none", (note: string) => note.replace(/\n\d+\n/, "\nmany\n")],
  ])("%s", (_name, forge) => {
    const notes = log.notes();
    log.writeNotes(notes.with(3, forge(notes[3] as string)));
    const { problems } = verify([ownKey()]);
    expect(problems[0]?.at).toBe("checkpoints:19");
  });

  test("a checkpoint by a stranger's key, even over the true root", () => {
    const notes = log.notes();
    const { note } = readCheckpoint((notes[3] as string).slice(0, -1)) ?? expect.unreachable();
    const forged = writeNote({ signatures: [signText(note.text, stranger())], text: note.text });
    log.writeNotes(notes.with(3, `${forged}\n`));
    expect(verify().problems).toEqual([
      { at: "checkpoints:19", what: expect.stringContaining("no key that is trusted") as unknown },
    ]);
  });

  test("a history written anew and signed by a stranger, unless nobody says which key is trusted", () => {
    const forged = log
      .records()
      .with(24, (log.records()[24] as string).replace(/"at_ms":\d/, '"at_ms":2'));
    resign(forged, stranger());
    expect(verify([ownKey()]).problems[0]?.what).toContain("no key that is trusted");
  });

  test("a history of another's own that only names the trusted key, whoever said so first", () => {
    const [first, second] = [stranger(), signerOf(ownKey().name, "ed25519", Buffer.alloc(32, 2))];
    const set = (before: string, after: string): string =>
      canonicalJson({
        action: "audit_key.set",
        actor: "x",
        after,
        at_ms: 1,
        before,
        kind: "control",
        reason: "r",
        subject: "",
        v: 1,
      });
    const known = first.verifier.text;
    const forged = [set("", known), set(known, ownKey().text), set(known, second.verifier.text)];
    log.writeRecords(forged);
    const tree = new Frontier();
    for (const json of forged) tree.append(leafHash(Buffer.from(json)));
    const text = `${ownKey().name}\n${tree.size}\n${tree.root().toString("base64")}\n`;
    const signatures = [signText(text, first), signText(text, second)];
    log.writeNotes([`${writeNote({ signatures, text })}\n`]);
    expect(verify([ownKey()]).problems).not.toEqual([]);
  });

  test("a fork: two checkpoints of one size", () => {
    const notes = log.notes();
    const { note, size } =
      readCheckpoint((notes[3] as string).slice(0, -1)) ?? expect.unreachable();
    const text = note.text.replace(
      /\n[^\n]+\n$/,
      `\n${leafHash(Buffer.from("x")).toString("base64")}\n`,
    );
    const signer = new SigningKeyFile(folder).read() ?? expect.unreachable();
    log.writeNotes(
      notes.toSpliced(4, 0, `${writeNote({ signatures: [signText(text, signer)], text })}\n`),
    );
    expect(verify().problems).toEqual([
      {
        at: "checkpoints:25",
        what: `signs another root for ${size} records than the checkpoint before it: a fork`,
      },
    ]);
  });

  test("no checkpoint at all, where there is a key", () => {
    unlinkSync(log.checkpoints);
    expect(verify().problems).toMatchObject([{ at: "checkpoints" }]);
  });

  test("one that a kill cut short is no problem, and is removed when the log is opened", async () => {
    const notes = log.notes();
    log.writeNotes(notes.with(notes.length - 1, (notes.at(-1) as string).slice(0, -20)));
    expect(verify([ownKey()]).problems).toEqual([]);
    const engine = await openTestEngine({ checkpointRecords: 10, folder });
    await engine.weir.decide(intentOf("next"), LOCAL);
    await engine.weir.idle();
    await (
      await engine.reopen()
    ).ports.log.append({ at_ms: 1, digest: "d", kind: "bundle", revision: "r", v: 1 });
    expect(verify([ownKey()])).toMatchObject({ problems: [] });
  });

  /** Writes other records, and checkpoints over them as if they had always been there. */
  function resign(records: readonly string[], signer: ReturnType<typeof stranger>): void {
    const every = new Set(sizes());
    const frontier = new Frontier();
    const notes: string[] = [];
    for (const [index, json] of records.entries()) {
      frontier.append(leafHash(Buffer.from(json)));
      if (!every.has(index + 1)) continue;
      const text = `${signer.verifier.name}\n${index + 1}\n${frontier.root().toString("base64")}\n`;
      notes.push(`${writeNote({ signatures: [signText(text, signer)], text })}\n`);
    }
    log.writeRecords(records);
    log.writeNotes(notes);
  }
});

describe("evaluating again", () => {
  test("finds a verdict that does not follow from its input", () => {
    const records = log.records();
    const index = records.findIndex((json) => json.includes('"verdict":{"effect":"allow"'));
    log.writeRecords(
      records.with(
        index,
        (records[index] as string).replace(
          '"verdict":{"effect":"allow"',
          '"verdict":{"effect":"block"',
        ),
      ),
    );
    expect(verify([], true).problems[0]).toEqual({
      at: `000000000001.log:${index + 1}`,
      what: expect.stringContaining("is not the recorded verdict") as unknown,
    });
  });

  test("a missing bundle is a problem, told once, and so is a damaged one", () => {
    const [digest] = readdirSync(join(folder, "bundles"));
    const bundle = join(folder, "bundles", digest as string);
    const data = join(bundle, "data.json");
    writeFileSync(data, "{}");
    expect(verify([], true).problems.map(({ what }) => what)).toEqual([
      expect.stringContaining("data.json has digest"),
    ]);
    rmSync(bundle, { recursive: true });
    expect(verify([], true).problems.map(({ what }) => what)).toEqual([
      expect.stringContaining(`the bundle ${digest} is missing`),
    ]);
    expect(verify().problems).toEqual([]);
  });
});

describe("the signing key", () => {
  const place = () => ({
    clock: new SteppedClock(START_MS),
    data: folder,
    logFolder: join(folder, "log"),
    onNote: (note: Error) => expect.unreachable(note.message),
  });
  const settings = {
    checkpointIntervalMs: 1_000,
    checkpointRecords: 10,
    logSegmentMebibytes: 1,
    logSync: "os",
    logSyncIntervalMs: 100,
    witness: null,
    witnessKey: null,
  } as const;

  async function opened(): Promise<AuditLog> {
    const audit = new AuditLog(settings, place());
    for (const _line of audit.recall());
    await audit.begin();
    return audit;
  }

  test("is followed by another that it vouches for; either one is enough to trust", async () => {
    const first = ownKey();
    const audit = await opened();
    const { after } = await audit.rotateKey("yearly");
    await audit.control({ action: "mode.set", after: "shadow", before: "", reason: "r" });
    await audit.close();
    const second = new SigningKeyFile(folder).read()?.verifier ?? expect.unreachable();
    expect(second.text).toBe(after);
    for (const key of [first, second]) {
      expect(verify([key])).toMatchObject({ problems: [], signed: log.lines().length });
    }
  });

  test("that was replaced signs nothing any more", async () => {
    const before = new SigningKeyFile(folder).read() ?? expect.unreachable();
    const audit = await opened();
    await audit.rotateKey("yearly");
    await audit.close();
    const records = log.records();
    log.writeRecords([...records, records[3] as string]);
    const frontier = new Frontier();
    for (const json of log.records()) frontier.append(leafHash(Buffer.from(json)));
    const text = `${before.verifier.name}\n${frontier.size}\n${frontier.root().toString("base64")}\n`;
    log.writeNotes([
      ...log.notes(),
      `${writeNote({ signatures: [signText(text, before)], text })}\n`,
    ]);
    expect(verify([before.verifier]).problems).toEqual([
      {
        at: expect.any(String) as unknown,
        what: expect.stringContaining("a key that was replaced before") as unknown,
      },
    ]);
  });

  test("that is lost is followed by one that nobody vouches for, which is found", async () => {
    const first = ownKey();
    rmSync(join(folder, "audit"), { recursive: true });
    await (await opened()).close();
    const second = new SigningKeyFile(folder).read()?.verifier ?? expect.unreachable();
    expect(verify([first]).problems[0]?.what).toContain("which no trusted key has vouched for");
    expect(verify([second]).problems).toEqual([]);
  });

  test("a change of it that a kill interrupts is finished at the next start, or forgotten", async () => {
    const first = ownKey();
    const keys = new SigningKeyFile(folder);
    keys.createNext(first.name);
    await (await opened()).close();
    expect([keys.read()?.verifier.text, keys.readNext()]).toEqual([first.text, null]);
    const audit = await opened();
    const next = keys.createNext(first.name).verifier.text;
    await audit.control({ action: "audit_key.set", after: next, before: first.text, reason: "r" });
    await audit.log.close();
    await (await opened()).close();
    expect([keys.read()?.verifier.text, keys.readNext()]).toEqual([next, null]);
    expect(verify([first])).toMatchObject({ problems: [], signed: log.lines().length });
  });
});

test("a log that lost records that were signed is not opened: it would have to contradict itself", async () => {
  log.writeRecords(log.records().slice(0, -2));
  await expect(openTestEngine({ checkpointRecords: 10, folder })).rejects.toMatchObject({
    code: "log.corrupt",
    message: expect.stringContaining("records were lost or removed") as unknown,
  });
});
