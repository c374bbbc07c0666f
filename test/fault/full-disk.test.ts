import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { verifyFolder } from "../../adapters/serve/audit-verify.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { openTestEngine } from "../support/engine.ts";
import { providePeer } from "../support/peer.ts";

// Goal: a disk that takes no more bytes loses nothing and doubles nothing. Method: a process of which
// no file may grow beyond a limit, which writes until it is refused; then the limit is lifted.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-full-"));
});
afterEach(() => rmSync(folder, { force: true, recursive: true }));

test("a full disk: calls are refused whole, and once there is room the log says so and goes on", async () => {
  const bash = providePeer({ aptPackage: "bash", program: "bash" });
  const prlimit = providePeer({ aptPackage: "util-linux", program: "prlimit" });
  const script = join(import.meta.dirname, "../support/full-disk-child.ts");
  // The limit of a file, in KiB: room for the bundle, and for a few hundred records in the segment.
  const child = spawn(
    bash,
    ["-c", `ulimit -S -f 400; exec "$0" "$@"`, process.execPath, script, folder],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const closed = once(child, "close");
  let output = "";
  let told = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (told || !output.includes("full\n")) return;
    told = true;
    execFileSync(prlimit, ["--pid", String(child.pid), "--fsize=unlimited:"]);
    child.stdin.end("room\n");
  });
  await closed;
  expect(output).toContain("done\n");
  const [before = "", after = ""] = output.split("full\n");
  expect(before).toContain(
    "failed log.unavailable\nfailed log.unavailable,log.unavailable,log.unavailable,log.unavailable",
  );
  expect(after.match(/^decided /gm)).toHaveLength(20);
  // What was refused holds nothing.
  expect(before).toContain(`open ${before.match(/^decided /gm)?.length}\n`);

  const proof = verifyFolder(folder, { keys: [], witness: null }, false);
  expect(proof).toMatchObject({ problems: [], signed: proof.records });
  const engine = await openTestEngine({ folder });
  const lines = engine.lines();
  const decided = new Set(lines.flatMap((line) => (line.kind === "decision" ? [line.id] : [])));
  const answered = [...output.matchAll(/^decided (\S+) /gm)].map(([, id = ""]) => id);
  // Every answer has its record, and what was refused has none.
  expect(new Set(answered)).toEqual(decided);
  const interruptions = lines.filter(
    (line) => line.kind === "control" && line.action === "log.interrupted",
  );
  expect(interruptions).toMatchObject([
    { reason: expect.stringMatching(/attempts to write a record failed: EFBIG/) as unknown },
  ]);
  expect(engine.recovery.differences).toEqual([]);
  expect(verifyLedger(lines, await engine.store.balances()).problems).toEqual([]);
  await engine.close();
});
