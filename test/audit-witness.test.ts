import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { signingKeyOf, SigningKeyFile } from "../adapters/embedded/signing-key.ts";
import { AuditLog } from "../adapters/serve/audit-log.ts";
import { verifyFolder } from "../adapters/serve/audit-verify.ts";
import { SteppedClock } from "../adapters/system/clock.ts";
import { startWitness, type WitnessService } from "../adapters/witness/server.ts";
import { writeAddCheckpoint } from "../engine/audit/add-checkpoint.ts";
import { checkpointText } from "../engine/audit/checkpoint.ts";
import {
  type NoteSigner,
  readVerifier,
  signerOf,
  signText,
  writeNote,
} from "../engine/audit/note.ts";
import { consistencyProof } from "../engine/audit/proof.ts";
import { Frontier, leafHash, MerkleTree } from "../engine/audit/tree.ts";
import { START_MS } from "./support/engine.ts";
import { freePort } from "./support/peer.ts";
import { RawLog } from "./support/raw-log.ts";

// Goal: who rewrites a history and signs it anew with the true key is caught by a witness, which signs
// only what goes on from what it signed. Method: a real witness over HTTP, and real logs.

const log = signerOf("example.com/log", "ed25519", Buffer.alloc(32, 1));
const clock = new SteppedClock(START_MS);
let folder: string;
let service: WitnessService;
let services: WitnessService[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-witness-"));
  services = [];
});
afterEach(async () => {
  for (const one of services) await one.close();
  rmSync(folder, { force: true, recursive: true });
});

async function start(keys: readonly string[], port = 0): Promise<WitnessService> {
  const logs = keys.map((key) => readVerifier(key) ?? expect.unreachable());
  const options = {
    clock,
    folder: join(folder, "witness"),
    host: "127.0.0.1",
    logs,
    name: "w.example/1",
  };
  service = await startWitness({ ...options, port });
  services.push(service);
  return service;
}

const urlOf = ({ port }: WitnessService): string => `http://127.0.0.1:${port}`;
const witnessKey = () => readVerifier(service.key) ?? expect.unreachable();

describe("the protocol", () => {
  const tree = new MerkleTree();
  tree.keepFrom(0);
  for (let index = 0; index < 300; index += 1) tree.append(leafHash(Buffer.from(String(index))));

  const noteOf = (
    size: number,
    signer: NoteSigner = log,
    root = tree.root(size),
    origin = signer.verifier.name,
  ) => {
    const text = checkpointText(origin, size, root);
    return writeNote({ signatures: [signText(text, signer)], text });
  };
  const post = async (body: string, method = "POST") => {
    const answer = await fetch(
      `${urlOf(service)}/add-checkpoint`,
      method === "POST" ? { body, method } : { method },
    );
    const type = answer.headers.get("content-type");
    return { status: answer.status, text: await answer.text(), type };
  };
  const add = (old: number, size: number, note = noteOf(size)) =>
    post(writeAddCheckpoint(old, consistencyProof(tree, old, size), note));

  beforeEach(async () => {
    await start([log.verifier.text]);
  });

  test("signs what goes on from what it signed, from nothing on, and the same again", async () => {
    for (const [old, size] of [
      [0, 3],
      [3, 3],
      [3, 17],
      [17, 256],
      [256, 300],
    ] as const) {
      const answer = await add(old, size);
      expect(answer).toMatchObject({
        status: 200,
        text: expect.stringMatching(/^\u2014 w\.example\/1 \S{104}\n$/),
      });
    }
  });

  test("answers everything else as the protocol says", async () => {
    await add(0, 17);
    const stranger = signerOf("example.com/log", "ed25519", Buffer.alloc(32, 2));
    const unknown = signerOf("example.com/other", "ed25519", Buffer.alloc(32, 3));
    expect(await add(17, 20, noteOf(20, unknown))).toMatchObject({ status: 404 });
    expect(await add(17, 20, noteOf(20, stranger))).toMatchObject({ status: 403 });
    expect(await post("old 17\n")).toMatchObject({ status: 400 });
    expect(await post(`old 017\n\n${noteOf(20)}`)).toMatchObject({ status: 400 });
    expect(await post(`old 17\nAAAA\n\n${noteOf(20)}`)).toMatchObject({ status: 400 });
    expect(await post(`old 21\n\n${noteOf(20)}`)).toMatchObject({ status: 400 });
    expect(await post(`x${"a".repeat(70_000)}`)).toMatchObject({ status: 400 });
    expect(await add(16, 20)).toEqual({ status: 409, text: "17\n", type: "text/x.tlog.size" });
    expect(await add(17, 17, noteOf(17, log, leafHash(Buffer.from("fork"))))).toMatchObject({
      status: 409,
      text: "17\n",
    });
    expect(await add(17, 20, noteOf(20, log, leafHash(Buffer.from("fork"))))).toMatchObject({
      status: 422,
    });
    expect(await post(writeAddCheckpoint(17, [], noteOf(20)))).toMatchObject({ status: 422 });
    expect(await post("", "GET")).toMatchObject({ status: 405 });
    expect(await add(17, 20)).toMatchObject({ status: 200 });
  });

  test("keeps what it signed, also when it starts again", async () => {
    await add(0, 17);
    const { key } = service;
    await services.pop()?.close();
    await start([log.verifier.text]);
    expect(service.key).toBe(key);
    expect(await add(0, 20)).toMatchObject({ status: 409, text: "17\n" });
    expect(await add(17, 20)).toMatchObject({ status: 200 });
  });

  test("of two requests at once that start from the same size, one is signed", async () => {
    const answers = await Promise.all([add(0, 5), add(0, 9), add(0, 7)]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(2);
  });
});

describe("a log with a witness", () => {
  const notes: string[] = [];
  const data = () => join(folder, "data");

  /** Opens a log at the address of a witness; every change is a record. */
  async function opened(address: string, key: string, at = data()): Promise<AuditLog> {
    const settings = {
      checkpointIntervalMs: 1_000,
      checkpointRecords: 1_000,
      logSegmentMebibytes: 1,
      logSync: "os",
      logSyncIntervalMs: 100,
      witness: address,
      witnessKey: readVerifier(key),
    } as const;
    const onNote = ({ message }: Error): void => void notes.push(message);
    const audit = new AuditLog(settings, { clock, data: at, logFolder: join(at, "log"), onNote });
    for (const _line of audit.recall());
    await audit.begin();
    return audit;
  }

  async function change(audit: AuditLog, count: number, after = "x"): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      await audit.control({ action: "mode.set", after, before: String(index), reason: "r" });
    }
  }

  /** A witness of the log in the data folder, which has a key before it is first opened. */
  async function watched(): Promise<{ address: string; key: string }> {
    new SigningKeyFile(data()).create();
    await start([signingKeyOf(data())]);
    notes.length = 0;
    return { address: urlOf(service), key: service.key };
  }

  const verify = (at = data()) =>
    verifyFolder(
      at,
      { keys: [readVerifier(signingKeyOf(data())) ?? expect.unreachable()], witness: witnessKey() },
      false,
    );

  test("has every checkpoint signed by both, over restarts and blocks of the tree", async () => {
    const { address, key } = await watched();
    for (const count of [3, 300, 0, 700]) {
      const audit = await opened(address, key);
      await change(audit, count);
      await audit.close();
      expect(verify()).toMatchObject({ problems: [] });
    }
    expect(verify()).toMatchObject({ witnessed: new RawLog(data()).lines().length });
    expect(notes).toEqual([]);
  });

  test("that was written anew and signed with the true key is found by the witness alone", async () => {
    const { address, key } = await watched();
    const audit = await opened(address, key);
    await change(audit, 20);
    await audit.close();
    const raw = new RawLog(data());
    raw.writeRecords(
      raw.records().with(7, (raw.records()[7] as string).replace('"after":"x"', '"after":"y"')),
    );
    const frontier = new Frontier();
    for (const json of raw.records()) frontier.append(leafHash(Buffer.from(json)));
    const signer = new SigningKeyFile(data()).read() ?? expect.unreachable();
    const text = checkpointText(signer.verifier.name, frontier.size, frontier.root());
    raw.writeNotes([`${writeNote({ signatures: [signText(text, signer)], text })}\n`]);
    const keys = [signer.verifier];
    expect(verifyFolder(data(), { keys, witness: null }, false).problems).toEqual([]);
    const { problems, witnessed } = verify();
    expect(problems[0]?.what).toContain(
      "no checkpoint that w.example/1 signed covers records 1 to",
    );
    expect(witnessed).toBe(0);
    // Nor does the witness sign it now: the log that it knows is another.
    const again = await opened(address, key);
    await change(again, 1);
    await again.close();
    expect(notes.join()).toMatch(/answered 422|answered 409|one of them is a fork/);
    expect(verify().problems).not.toEqual([]);
  });

  test("goes on while the witness is away, and is signed to the end once it is back", async () => {
    const port = await freePort();
    new SigningKeyFile(data()).create();
    await start([signingKeyOf(data())], port);
    const { key } = service;
    await services.pop()?.close();
    notes.length = 0;
    const audit = await opened(`http://127.0.0.1:${port}`, key);
    await change(audit, 5);
    await audit.checkpoint();
    await change(audit, 5);
    await audit.checkpoint();
    expect(notes).toEqual([expect.stringContaining("the witness w.example/1 does not answer")]);
    await start([signingKeyOf(data())], port);
    await audit.checkpoint();
    await audit.close();
    expect(verify()).toMatchObject({ problems: [], witnessed: new RawLog(data()).lines().length });
  });

  test("that went back to an earlier copy of itself is told of the fork", async () => {
    const { address, key } = await watched();
    const first = await opened(address, key);
    await change(first, 3);
    await first.close();
    const copy = join(folder, "copy");
    cpSync(data(), copy, { recursive: true });
    const second = await opened(address, key);
    await change(second, 9);
    await second.close();
    notes.length = 0;
    const third = await opened(address, key, copy);
    await change(third, 1, "other");
    await third.close();
    expect(notes).toEqual([expect.stringContaining("one of them is a fork")]);
  });

  test("whose witness was set back is told so, once, and goes on", async () => {
    const { address, key } = await watched();
    const first = await opened(address, key);
    await change(first, 300);
    await first.close();
    const before = join(folder, "witness-before");
    cpSync(join(folder, "witness"), before, { recursive: true });
    const second = await opened(address, key);
    await change(second, 700);
    await second.close();
    cpSync(before, join(folder, "witness"), { recursive: true });
    notes.length = 0;
    const third = await opened(address, key);
    await change(third, 1);
    await third.checkpoint();
    await change(third, 1);
    await third.close();
    expect(notes).toEqual([
      "a checkpoint could not be signed: the witness w.example/1 has signed 301 records of this log, but 1001 before: its data were set back; restore them, or have it begin anew with another key",
    ]);
  });
});
