import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { changedFiles } from "../../../test/support/bundle.ts";
import { openTestEngine, SHIPPED_BUNDLE } from "../../../test/support/engine.ts";
import { intentFromJson } from "../../http/to-intent.ts";
import { writeBundle } from "../../opa/compile.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";
import { readCases } from "./cases/policy-case.ts";

// Goal: a candidate is judged by what a log recorded: nothing changes on the bundle that decided, and what
// does change is counted by effect, team and rule. Method: intents of the cases, decided into a real log.

vi.setConfig({ testTimeout: 120_000 });

const CASES = join(import.meta.dirname, "../../../test/cases");
const folder = mkdtempSync(join(tmpdir(), "weir-replay-"));
const data = join(folder, "data");
const wanted = ["allow-plain", "routing-overkill", "sensitivity-restricted-block"];
const ids = new Map<string, string>();

beforeAll(async () => {
  const engine = await openTestEngine({ folder: data });
  for (const { case: told, file } of readCases(CASES)) {
    const name = file.replace(".json", "");
    if (!wanted.includes(name)) continue;
    const intent = intentFromJson({ id: name, ...told.given.intent });
    ids.set(name, (await engine.weir.decide(intent, { principal: "local" })).id);
  }
  await engine.finish();
}, 120_000);

afterAll(() => rmSync(folder, { force: true, recursive: true }));

async function replay(...argv: string[]): Promise<{ exit: number; said: string; noted: string }> {
  const terminal = fakeTerminal(folder);
  const exit = await runWeir(["policy", "replay", ...argv], terminal);
  return { exit, noted: terminal.noted.join("\n"), said: terminal.printed.join("\n") };
}

function candidate(name: string, change: Parameters<typeof changedFiles>[0]): string {
  writeBundle(join(folder, name), changedFiles(change));
  return name;
}

test("nothing changes on the bundle that decided", async () => {
  const { exit, said } = await replay("--log", "data", "--bundle", SHIPPED_BUNDLE, "--json");
  expect(exit).toBe(0);
  expect(JSON.parse(said)).toMatchObject({
    changed: 0,
    coverage: { decisions: 3, faults: 0, inputs: 4, sections_unseen: [], unknown: 0 },
    matrix: { allow: { allow: 1 }, block: { block: 1 }, reroute: { reroute: 1 } },
    passes: true,
    reasons_changed: 0,
    rules: [],
    teams: [],
  });
});

test("a looser candidate: what it lets through, whose money, because of which rules", async () => {
  const looser = candidate("looser", ({ modes }) => {
    modes!["rules"] = {
      "routing.overkill": "off",
      "sensitivity.clearance": "shadow",
      "sensitivity.retention": "shadow",
    };
  });
  const { exit, said } = await replay("--log", "data/log", "--bundle", looser);
  expect(exit).toBe(1);
  expect(said).toMatch(/^replayed 3 decisions on /);
  expect(said).toMatch(/not seen +the bundle that decided is not beside the log/);
  expect(said).toMatch(/\nreroute +1 +· +· +·\n/);
  expect(said).toMatch(/\nblock +1 +· +· +·\n/);
  expect(said).toMatch(/\nacme\/search +1 +· +· +\+\$0\.\d+\n/);
  expect(said).toMatch(/\nacme\/marketing +1 +· +\$0\.\d+ +·\n/);
  expect(said).toContain(ids.get("routing-overkill"));
  expect(said).toMatch(/routing\.overkill +· +-1 +\S+/);
  expect(said).toContain("2 of 3 decisions (66.7 %) change; accepted is 0 % (--accept)");
  expect((await replay("--log", "data", "--bundle", looser, "--accept", "67")).exit).toBe(0);
});

test("a stricter candidate stops calls; an alternative that was never judged is not guessed", async () => {
  const stricter = candidate("stricter", (config) => {
    config["limits"]!["single_call_micro_usd"] = 1;
    config["prices"]!["version"] = "another";
  });
  const { exit, said } = await replay("--log", "data", "--bundle", stricter, "--json");
  expect(exit).toBe(1);
  const { coverage, matrix, rules, teams } = JSON.parse(said) as {
    coverage: { sections_unseen: string[]; unknown: number };
    matrix: Record<string, Record<string, number>>;
    rules: { code: string; newly: number; examples: string[] }[];
    teams: { team: string; stopped_micro_usd: number }[];
  };
  expect(coverage.sections_unseen).toEqual(["prices"]);
  expect(matrix["allow"]).toEqual({ block: 1 });
  expect(rules[0]).toMatchObject({ code: "budget.single_call", newly: 3 });
  expect(rules[0]?.examples).toHaveLength(3);
  expect(teams.find(({ team }) => team === "search")?.stopped_micro_usd).toBeGreaterThan(0);
  expect(coverage.unknown).toBe(0);
  const rerouting = candidate("rerouting", (config) => {
    config["tasks"]!["chat"] = { tier: 1 };
  });
  const guessed = await replay("--log", "data", "--bundle", rerouting, "--json");
  expect(JSON.parse(guessed.said)).toMatchObject({
    coverage: { unknown: 1 },
    matrix: { allow: { unknown: 1 } },
  });
});

test("a folder without a log is refused", async () => {
  const { exit, noted } = await replay("--log", "nowhere", "--bundle", SHIPPED_BUNDLE);
  expect(exit).toBe(2);
  expect(noted).toContain("--log: there is no log in nowhere; accepted is a data folder");
});
