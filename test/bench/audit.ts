import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { verifyFolder } from "../../adapters/serve/audit-verify.ts";
import { AuditLog } from "../../adapters/serve/audit-log.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import { appendAll, bytesIn, capture, fail, LOG_SETTINGS } from "./in-process.ts";
import type { Bench, BenchOptions, Measured } from "./row.ts";

const TARGET = 100_000;

export const AUDIT_VERIFY: Bench = {
  name: "audit_verify",
  run: measureVerify,
  target: `≥ ${TARGET.toLocaleString("en-US")}/s`,
  what: "records of a signed log, checked against their checksums and checkpoints",
};

async function measureVerify(options: BenchOptions): Promise<Measured> {
  const calls = await capture(500);
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const logFolder = join(folder, "log");
  try {
    const audit = new AuditLog(LOG_SETTINGS, {
      clock: systemClock,
      data: folder,
      logFolder,
      onNote: fail,
    });
    await audit.begin();
    await appendAll(audit.log, calls, options.quick ? 4 : 200);
    await audit.close();
    const started = performance.now();
    const proof = verifyFolder(folder, { keys: [], witness: null }, false);
    const totalMs = performance.now() - started;
    if (proof.problems.length > 0) throw new Error(proof.problems[0]?.what);
    const perSecond = Math.round((proof.records / totalMs) * 1_000);
    const eachUs = Math.round((totalMs / proof.records) * 10_000) / 10;
    const megabytes = Math.round(bytesIn(logFolder) / totalMs / 1_000);
    const note = `${proof.records} records, ${proof.checkpoints} checkpoints, ${megabytes} MB/s`;
    const row = {
      name: AUDIT_VERIFY.name,
      note,
      p50_us: eachUs,
      p99_us: eachUs,
      per_second: perSecond,
    };
    return { met: perSecond >= TARGET, row };
  } finally {
    rmSync(folder, { force: true, recursive: true });
  }
}
