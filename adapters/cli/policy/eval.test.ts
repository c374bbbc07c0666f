import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";

// Goal: an author sees which rules held on an intent and on which values, and where another stopped.
// Method: the folder that policy new makes, with its own cases.

vi.setConfig({ testTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), "weir-eval-"));
const CASES = "ours/cases";

beforeAll(async () => {
  await weir("new", "ours");
});

afterAll(() => rmSync(folder, { force: true, recursive: true }));

async function weir(...argv: string[]): Promise<{ exit: number; said: string; noted: string }> {
  const terminal = fakeTerminal(folder);
  const exit = await runWeir(["policy", ...argv], terminal);
  return { exit, noted: terminal.noted.join("\n"), said: terminal.printed.join("\n") };
}

test("a rule that held shows its expressions with their values", async () => {
  const { exit, said } = await weir("eval", `${CASES}/closed-project.json`, "--dir", "ours");
  expect(exit).toBe(0);
  expect(said).toContain("BLOCK  openai:gpt-5-mini\n  project.closed  project zephyr is closed");
  expect(said).toMatch(/openai:gpt-5-mini: block, 1 of \d+ rules held/);
  expect(said).toMatch(/deny +project\.closed +policies\/org\/rules\/projects\/projects\.rego:18/);
  expect(said).toContain('19  name := input.intent.labels.project   name = "zephyr"');
  expect(said).not.toContain("project.single_call");
});

test("a rule that did not hold shows where it stopped, one in shadow that it does not count", async () => {
  const closed = `${CASES}/closed-project.json`;
  const stopped = await weir("eval", closed, "--dir", "ours", "--rule", "project.single_call");
  expect(stopped.said).toMatch(/project\.single_call .* did not hold; it stopped at\n/);
  expect(stopped.said).toMatch(/input\.facts\.cost_micro_usd > limit .*limit = 500000/);
  const shadow = await weir("eval", `${CASES}/dear-call-in-shadow.json`, "--dir", "ours", "--json");
  const { decision, judged } = JSON.parse(shadow.said) as {
    decision: { effect: string };
    judged: { model: string; rules: { code: string; counts: boolean; held: boolean }[] }[];
  };
  expect(decision.effect).toBe("allow");
  const rule = judged[0]?.rules.find(({ code }) => code === "project.single_call");
  expect(rule).toMatchObject({ counts: false, held: true });
});

test("an intent alone is judged on a fresh state; what is neither is refused", async () => {
  const intent = {
    attribution: { tenant: "example" },
    model: "openai:gpt-5-mini",
    operation: "OPERATION_CHAT",
    tokens: { input: 1 },
  };
  writeFileSync(join(folder, "intent.json"), JSON.stringify({ intent }));
  const { said } = await weir("eval", "intent.json", "--dir", "ours");
  expect(said).toContain("attribution.missing");
  writeFileSync(join(folder, "list.json"), "[]");
  const refused = await weir("eval", "list.json", "--dir", "ours");
  expect(refused).toMatchObject({
    exit: 1,
    noted: expect.stringContaining("list.json is neither an intent nor a case") as string,
  });
  const unknown = await weir("eval", "intent.json", "--dir", "ours", "--rule", "no.rule");
  expect(unknown.exit).toBe(2);
  expect(unknown.noted).toContain("--rule: no rule has the code no.rule; they are agent.depth, ");
});

test("inspect shows rules, data and what made a bundle", async () => {
  const shipped = join(import.meta.dirname, "../../../bundles/starter");
  const { exit, said } = await weir("inspect", shipped);
  expect(exit).toBe(0);
  expect(said).toMatch(/made by +OPA \d+\.\d+\.\d+\n/);
  expect(said).toMatch(/signed +no\n/);
  expect(said).toMatch(/data .*budgets \d+.*prices \d{2,}/);
  expect(said).toMatch(/budget\.exhausted +deny +error +\S/);
  const json = JSON.parse((await weir("inspect", shipped, "--json")).said) as {
    digest: string;
    rules: readonly { code: string; mode: string }[];
    signed: unknown;
  };
  expect(json.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(json.signed).toBeNull();
  expect(json.rules.map(({ code }) => code)).toContain("freeze.active");
});
