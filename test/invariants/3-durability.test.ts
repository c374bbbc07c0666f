import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyFolder } from "../../adapters/serve/audit-verify.ts";
import { verifyLedger } from "../../engine/ledger/verify.ts";
import { EVERY_KIND } from "../support/budgets.ts";
import { intentOf, LOCAL } from "../support/engine.ts";
import { GatedLog, settleTurns } from "../support/ports.ts";
import { Random, testSeed } from "../support/random.ts";
import { dumpBalances } from "../support/state-dump.ts";
import { open } from "../support/opened.ts";
import { decisionsOf } from "./standing.ts";

describe("invariant 3: no answer leaves before its record is in the log", () => {
  test("decide, report and cancel wait for their lines", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({ ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }) });
    const log = gated as GatedLog;
    const allowed = await engine.weir.decide(intentOf("first"), LOCAL);
    const other = await engine.weir.decide(intentOf("other"), LOCAL);
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      allow: () => engine.weir.decide(intentOf("second"), LOCAL),
      block: () => engine.weir.decide(intentOf("third", { model: "openai:none" }), LOCAL),
      refusal: () => engine.weir.decide({ id: "bad" }, LOCAL).catch(() => undefined),
      report: () =>
        engine.weir.report(
          { decisionId: allowed.id, final: true, outcome: "ok", usage: { input: 1, output: 1 } },
          LOCAL,
        ),
      cancel: () => engine.weir.cancel(other.id, LOCAL),
    };
    for (const [name, call] of Object.entries(calls)) {
      await engine.weir.idle();
      const before = engine.lines().length;
      log.shut = true;
      let answered = false;
      const answer = call().then(() => (answered = true));
      await settleTurns();
      expect(answered, `${name} was answered without its line`).toBe(false);
      expect(log.waiting).toBeGreaterThan(0);
      expect(engine.lines()).toHaveLength(before);
      log.open();
      await answer;
      expect(engine.lines().length).toBeGreaterThan(before);
    }
  });

  test("where the record cannot be written nothing is answered, held or charged, and a retry decides anew", async () => {
    let gated: GatedLog | undefined;
    const engine = await open({
      data: { budgets: EVERY_KIND },
      ports: ({ log }) => ({ log: (gated = new GatedLog(log)) }),
    });
    const log = gated as GatedLog;
    const run = { fingerprint: "f", id: "run-1" };
    await engine.weir.decide(intentOf("before", { run }), LOCAL);
    const balances = await dumpBalances(engine.store);
    log.fails = (line) => line.kind === "decision";
    for (const model of ["openai:gpt-5-mini", "openai:gpt-6.1-sol", "openai:none"]) {
      const answer = engine.weir.decide(intentOf(`x-${model}`, { model, run }), LOCAL);
      await expect(answer).rejects.toMatchObject({ code: "log.unavailable" });
    }
    await engine.weir.idle();
    expect(await dumpBalances(engine.store)).toEqual(balances);
    expect(await engine.store.openReservations()).toBe(1);
    expect(engine.store.tenant("acme").runs.runs.get("run-1")?.steps).toBe(1);
    expect(decisionsOf(engine)).toHaveLength(1);
    log.fails = () => false;
    const retried = await engine.weir.decide(intentOf("x-openai:gpt-5-mini", { run }), LOCAL);
    expect(retried).toMatchObject({ effect: "allow", replayed: false });
    const check = verifyLedger(engine.lines(), await engine.store.balances());
    expect(check).toMatchObject({ open: 2, problems: [] });
  });

  test("a process killed at any instant loses no answer and doubles none", async () => {
    const seed = testSeed("kill");
    const random = new Random(seed);
    const folder = mkdtempSync(join(tmpdir(), "weir-kill-"));
    const printed: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const script = join(import.meta.dirname, "../support/killed-child.ts");
      const child = spawn(process.execPath, [script, folder, String(round), String(seed)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      // Killed after a random number of answers, not after a time: at whatever the child is doing then.
      const answers = random.int(1, 120);
      const closed = once(child, "close");
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.split("\n").length > answers) child.kill("SIGKILL");
      });
      await closed;
      expect(child.signalCode, output.slice(-300)).toBe("SIGKILL");
      printed.push(...output.split("\n").slice(1, -1));
      const proof = verifyFolder(folder, { keys: [], witness: null }, false);
      expect(proof.problems, `seed ${seed}, round ${round}`).toEqual([]);
      expect(proof.checkpoints).toBeGreaterThan(0);
    }
    const engine = await open({ data: { budgets: EVERY_KIND }, folder, seed: "after" });
    expect(engine.recovery.differences, `seed ${seed}`).toEqual([]);
    const lines = engine.lines();
    const effects = new Map(decisionsOf(engine).map(({ decision, id }) => [id, decision.effect]));
    const reports = new Set(
      lines.flatMap((line) =>
        line.kind === "report" ? [`${line.decision_id} ${line.sequence}`] : [],
      ),
    );
    // The id of a report's entry goes on with a digest of its figures.
    const entries = new Set(
      lines.flatMap((line) =>
        line.kind === "entry" ? [line.id.split(":").slice(0, 3).join(":")] : [],
      ),
    );
    for (const line of printed) {
      const [what, id, detail] = line.split(" ") as [string, string, string];
      if (what === "decided") expect(effects.get(id), line).toBe(detail);
      if (what === "reported") expect(reports.has(`${id} ${detail}`), line).toBe(true);
      if (what === "reported") expect(entries.has(`${id}:report:${detail}`), line).toBe(true);
      if (what === "cancelled") expect(entries.has(`${id}:released`), line).toBe(true);
    }
    expect(printed.filter((line) => line.startsWith("decided")).length).toBeGreaterThan(30);
    const check = verifyLedger(lines, await engine.store.balances());
    expect(check.problems, `seed ${seed}`).toEqual([]);
    expect(check.overdrawn).toEqual([]);
    expect(check.open).toBe(await engine.store.openReservations());
    rmSync(folder, { force: true, recursive: true });
  });
});
