import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, expect, test } from "vitest";

import { verifyFolder } from "../adapters/serve/audit-verify.ts";
import { verifyLedger } from "../engine/ledger/verify.ts";
import { LOCAL, linesOf, openTestEngine } from "./support/engine.ts";

// Goal: what an older Weir wrote is still read. Method: a data folder as it was written with each
// format, committed, of which each test opens a copy.

const FORMATS = join(import.meta.dirname, "formats");
const trust = { keys: [], witness: null };
let folder: string;

afterEach(() => rmSync(folder, { force: true, recursive: true }));

test.each(readdirSync(FORMATS))("%s opens, verifies and settles", async (format) => {
  folder = mkdtempSync(join(tmpdir(), "weir-format-"));
  cpSync(join(FORMATS, format), folder, { recursive: true });
  expect(verifyFolder(folder, trust, true)).toMatchObject({ problems: [] });

  const before = [...linesOf(join(folder, "log"))];
  const openCall = before.findLast(({ kind }) => kind === "decision");
  if (openCall?.kind !== "decision") return expect.unreachable();
  const startMs = openCall.at_ms + 500;
  const engine = await openTestEngine({ checkpointRecords: 10, folder, startMs });
  expect(engine.recovery).toMatchObject({ differences: [], owed: [] });
  expect(engine.lines().slice(0, before.length)).toEqual(before);

  const usage = { input: 900, output: 200 };
  const report = { decisionId: openCall.id, final: true, outcome: "ok", sequence: 1, usage };
  expect((await engine.weir.report(report, LOCAL)).status).toBe("settled");
  expect(await engine.store.openReservations()).toBe(0);
  const { open, problems } = verifyLedger(engine.lines(), await engine.store.balances());
  expect({ open, problems }).toEqual({ open: 0, problems: [] });

  const again = await engine.reopen();
  const found = verifyFolder(folder, trust, true);
  expect(found).toMatchObject({
    problems: [],
    records: again.lines().length,
    signed: found.records,
  });
  return again.close();
});
