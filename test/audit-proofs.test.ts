import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { fakeTerminal } from "../adapters/cli/fake-terminal.ts";
import { runWeir } from "../adapters/cli/main.ts";
import { readCheckpoints } from "../adapters/embedded/checkpoints.ts";
import { signingKeyOf } from "../adapters/embedded/signing-key.ts";
import { exportLog } from "../adapters/serve/audit-export.ts";
import { proveContinuation, proveRecord } from "../adapters/serve/audit-prove.ts";
import { reportLog } from "../adapters/serve/audit-report.ts";
import { verifyPath } from "../adapters/serve/audit-verify.ts";
import type { Decision } from "../engine/decision/decision.ts";
import { readVerifier } from "../engine/audit/note.ts";
import { type InclusionFile, noteOf } from "../engine/audit/proof-file.ts";
import { intentOf, LOCAL, openTestEngine, START_MS, type TestEngine } from "./support/engine.ts";
import { providePeer } from "./support/peer.ts";
import { RawLog } from "./support/raw-log.ts";

// Goal: what is taken from a log to another machine proves itself there, with Weir and without.
// Method: a log of several blocks of the tree; public packages of Go check the same files.

let folder: string;
let files: string;
let settled: Decision;
let blocked: Decision;
let unsigned: Decision;

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), "weir-proofs-"));
  const engine = await openTestEngine({ checkpointRecords: 10_000 });
  settled = await engine.weir.decide(intentOf("a", { labels: { Z: "b", a: "\u00e9" } }), LOCAL);
  const usage = { input: 1_000, output: 300 };
  await engine.weir.report({ decisionId: settled.id, sequence: 1, usage }, LOCAL);
  engine.clock.advance(60_000);
  const final = { decisionId: settled.id, final: true, outcome: "ok", sequence: 2, usage };
  await engine.weir.report(final, LOCAL);
  await padding(engine, 700);
  blocked = await engine.weir.decide(intentOf("b", { model: "openai:none" }), LOCAL);
  await engine.weir.idle();
  const grant = { amount: 5, budget: "search-day", reason: "launch", tenant: "acme" };
  await engine.operator.grant({ ...grant, untilMs: engine.clock.nowMs() + 60_000 }, LOCAL);
  engine.clock.advance(7_200_000);
  const again = await engine.reopen();
  await padding(again, 3);
  unsigned = await again.weir.decide(intentOf("c"), LOCAL);
  folder = again.copyFolder();
  await again.close();
});
afterAll(() => {
  rmSync(folder, { force: true, recursive: true });
  rmSync(files, { force: true, recursive: true });
});

/** Refusals at the door: short records. */
async function padding(engine: TestEngine, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await engine.weir.decide({ id: "refused" }, LOCAL).catch(() => undefined);
    if (index % 100 === 99) await engine.checkpoint();
  }
}

const trust = () => ({
  keys: [readVerifier(signingKeyOf(folder)) ?? expect.unreachable()],
  witness: null,
});

function fileOf(name: string, content: unknown): string {
  const path = join(files, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content, null, 2));
  return path;
}

const checkpoints = () =>
  [...readCheckpoints(join(folder, "log"))].map(
    ({ checkpoint }) => checkpoint ?? expect.unreachable(),
  );

/** The files of two checkpoints. */
function twoCheckpoints(one: number, other: number): readonly [string, string] {
  const all = checkpoints();
  const [old, newer] = [all.at(one), all.at(other)];
  if (old === undefined || newer === undefined) return expect.unreachable();
  return [fileOf(`old${one}`, noteOf(old)), fileOf(`new${other}`, noteOf(newer))];
}

describe("a decision", () => {
  test("is proven with everything that followed it", () => {
    const proof = proveRecord(folder, settled.id);
    expect(proof.records.map(({ record }) => record.kind)).toEqual([
      "decision",
      "report",
      "entry",
      "report",
      "entry",
    ]);
    expect(verifyPath(fileOf("settled.json", proof), trust(), false)).toMatchObject({
      checkpoints: 1,
      problems: [],
      records: 5,
    });
  });

  test.each<[string, (proof: InclusionFile) => unknown, string]>([
    [
      "another record",
      (proof) => edit(proof, { record: { ...proof.records[0]?.record, tenant: "x" } as never }),
      "record 2",
    ],
    ["another number", (proof) => edit(proof, { number: 3 }), "record 3"],
    ["a number beyond the log", (proof) => edit(proof, { number: 1e6 }), "record 1000000"],
    ["another path", (proof) => edit(proof, { path: proof.records[1]?.path ?? [] }), "record 2"],
    ["a path that is none", (proof) => edit(proof, { path: ["AAAA"] }), "record 2"],
    [
      "another checkpoint",
      (proof) => ({ ...proof, checkpoint: noteOf(checkpoints()[1] ?? expect.unreachable()) }),
      "record 2",
    ],
    [
      "an altered checkpoint",
      (proof) => ({ ...proof, checkpoint: proof.checkpoint.replace(/\n\d+\n/, "\n9\n") }),
      "checkpoint",
    ],
    ["no checkpoint", (proof) => ({ ...proof, checkpoint: "" }), "checkpoint"],
  ])("with %s is not proven", (name, change, at) => {
    const path = fileOf("altered.json", change(proveRecord(folder, settled.id)));
    const { problems } = verifyPath(path, trust(), false);
    expect(problems[0]?.at, name).toBe(at);
  });

  test("signed by somebody else is not proven to those who know the key", () => {
    const stranger = readVerifier(
      "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    );
    const path = fileOf("proof.json", proveRecord(folder, settled.id));
    const keys = [stranger ?? expect.unreachable()];
    expect(verifyPath(path, { keys, witness: null }, false).problems).toMatchObject([
      { at: "checkpoint" },
    ]);
  });

  test("that no checkpoint covers yet, or that is not there, is told apart", () => {
    expect(() => proveRecord(folder, unsigned.id)).toThrow("came after the last checkpoint");
    expect(() => proveRecord(folder, `d${"0".repeat(51)}`)).toThrow("has no record of");
    expect(() => proveRecord(folder, "99999")).toThrow("has no record of");
  });

  test("a record of a number is proven too", () => {
    const proof = proveRecord(folder, "1");
    expect(proof.records).toMatchObject([{ number: 1, record: { action: "audit_key.set" } }]);
    expect(verifyPath(fileOf("one.json", proof), trust(), false).problems).toEqual([]);
  });

  function edit(
    proof: InclusionFile,
    change: Partial<InclusionFile["records"][number]>,
  ): InclusionFile {
    const [first, ...others] = proof.records;
    if (first === undefined) return expect.unreachable();
    return { ...proof, records: [{ ...first, ...change }, ...others] };
  }
});

describe("two checkpoints", () => {
  test.each([
    [0, 1],
    [0, -1],
    [2, 3],
    [-1, -1],
  ])("of one log (%i, %i) are consistent", (one, other) => {
    const proof = proveContinuation(folder, ...twoCheckpoints(one, other));
    expect(verifyPath(fileOf("consistent.json", proof), trust(), false)).toMatchObject({
      checkpoints: 2,
      problems: [],
    });
    if (proof.path.length === 0) return;
    const altered = { ...proof, path: proof.path.toReversed().slice(1) };
    expect(verifyPath(fileOf("altered.json", altered), trust(), false).problems[0]?.what).toContain(
      "a fork",
    );
  });

  test("the older one of another history is a fork, whoever signed it", () => {
    const [old, newer] = twoCheckpoints(1, -1);
    const forked = readFileSync(old, "utf8").replace(
      /\n[A-Za-z0-9+/]{43}=\n/,
      `\n${"A".repeat(43)}=\n`,
    );
    expect(() => proveContinuation(folder, fileOf("forked", forked), newer)).toThrow(
      "a fork: the log that",
    );
    expect(() => proveContinuation(folder, newer, old)).toThrow("the older one comes first");
    expect(() => proveContinuation(folder, fileOf("none", "x"), old)).toThrow("is no checkpoint");
  });
});

describe("Go's packages of the checksum database", () => {
  const source = join(import.meta.dirname, "public-tools");
  let program: string;

  beforeAll(() => {
    const go = providePeer({ aptPackage: "golang-go", program: "go" });
    program = join(files, "public-tools");
    execFileSync(go, ["build", "-o", program, "."], {
      cwd: source,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }, 300_000);

  const goCheck = (path: string): string =>
    execFileSync(program, [path, signingKeyOf(folder)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();

  test("hold the same proofs to be true", () => {
    const last = checkpoints().at(-1)?.size ?? 0;
    expect(goCheck(fileOf("go.json", proveRecord(folder, settled.id)))).toBe(
      `5 records of ${last}`,
    );
    for (const id of [blocked.id, "1", String(last)]) {
      expect(goCheck(fileOf("go.json", proveRecord(folder, id)))).toContain(`of ${last}`);
    }
    for (const [one, other] of [
      [0, -1],
      [1, 2],
      [-2, -1],
    ] as const) {
      expect(
        goCheck(fileOf("go.json", proveContinuation(folder, ...twoCheckpoints(one, other)))),
      ).toContain("go on to");
    }
  });

  test("and altered ones to be false", () => {
    const proof = JSON.stringify(proveRecord(folder, settled.id));
    expect(() =>
      goCheck(fileOf("go.json", proof.replace('"tenant":"acme"', '"tenant":"acmf"'))),
    ).toThrow("record 2");
    expect(() =>
      goCheck(fileOf("go.json", proof.replace(/weir\.internal\/.{6}/, "weir.internal/aaaaaa"))),
    ).toThrow("invalid signature");
  });
});

describe("an export", () => {
  test("is sound on its own, ends at a checkpoint, and holds nothing secret", async () => {
    const to = join(files, "export");
    const { records } = await exportLog(folder, to);
    expect(records).toBe(checkpoints().at(-1)?.size);
    expect(verifyPath(to, trust(), true)).toMatchObject({ problems: [], records, signed: records });
    expect(readdirSync(to).toSorted()).toEqual(["bundles", "export.json", "log"]);
    await expect(exportLog(folder, to)).rejects.toThrow("is not empty");
  });

  test("that was cut, records and checkpoints alike, is found", async () => {
    const to = join(files, "cut");
    await exportLog(folder, to);
    const log = new RawLog(to);
    const notes = log.notes();
    log.writeNotes(notes.slice(0, -1));
    log.write(log.lines().slice(0, checkpoints().at(-2)?.size));
    expect(verifyPath(to, trust(), false).problems).toMatchObject([{ at: "export.json" }]);
  });
});

test("a report counts, lists and proves what it drew", () => {
  const { proof, report } = reportLog(folder, {
    fromMs: START_MS,
    nowMs: START_MS + 1e8,
    untilMs: START_MS + 8_000_000,
  });
  expect(report).toMatchObject({
    decisions: 3,
    effects: { allow: 2, block: 1 },
    gaps: [{ from_ms: START_MS + 60_000, until_ms: START_MS + 7_260_000 }],
    rejected: { "intent.invalid": 703 },
    reports: 2,
    shadow: [],
    grants: [{ budget: "search-day", reason: "launch" }],
    waivers: {},
  });
  expect(report.samples.toSorted()).toEqual([blocked.id, settled.id, unsigned.id].toSorted());
  expect(
    proof?.records.map(({ record }) => record.kind === "decision" && record.id).toSorted(),
  ).toEqual([blocked.id, settled.id].toSorted());
  expect(verifyPath(fileOf("samples.json", proof), trust(), false).problems).toEqual([]);
  const none = reportLog(folder, { fromMs: 0, nowMs: 1, untilMs: START_MS }).report;
  expect(none).toMatchObject({ decisions: 0, records: 0 });
});

test("a report shows the stretches in shadow and those without a state store", async () => {
  const engine = await openTestEngine({ checkpointRecords: 100, mode: "shadow" });
  await engine.weir.decide(intentOf("a", { model: "openai:none" }), LOCAL);
  engine.clock.advance(5_000);
  await engine.weir.decide(intentOf("b"), LOCAL);
  const { report } = reportLog(engine.folder, {
    fromMs: 0,
    nowMs: START_MS + 9_000,
    untilMs: START_MS + 9_000,
  });
  expect(report.shadow).toEqual([
    { decisions: 2, from_ms: START_MS, not_allowed: 1, tenant: "acme", until_ms: START_MS + 5_000 },
  ]);
  await engine.close();
});

describe("weir why", () => {
  const why = async (id: string): Promise<string> => {
    const terminal = fakeTerminal(files);
    expect(await runWeir(["why", id, "--data", folder], terminal)).toBe(0);
    return terminal.printed.join("\n");
  };

  test("tells a settled call from its intent to its proof", async () => {
    const text = await why(settled.id);
    for (const part of [
      /intent +local wanted to run chat on openai:gpt-5-mini for tenant acme/,
      /facts +it could cost \$0\.00125 at most/,
      /budget search-day \(hard\): \$400\.00 left/,
      /answer +allow, call openai:gpt-5-mini/,
      /reserved +\$0\.00125 on acme-month/,
      /reported +after 0 ms: 1000 input, 300 output/,
      /reported +after 60 s: .*final, ok/,
      /settled +after 60 s: \$0\.00085 charged so far/,
      /proof +records 2 to 6, under the signed checkpoint of \d+: weir audit prove/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  test("tells a blocked call which rule stopped it, and an open one that it waits", async () => {
    expect(await why(blocked.id)).toMatch(
      /rules +openai:none: block\n.*, by .*error[^]*released +after 0 ms: what was held was given back/,
    );
    expect(await why(unsigned.id)).toMatch(
      /open +no final report yet[^]*no signed checkpoint covers/,
    );
  });
});
