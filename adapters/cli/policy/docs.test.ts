import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { provideOpa } from "../../../test/support/opa.ts";
import { buildPolicies } from "../../opa/compile.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";

// Goal: what the pages for authors say is true. Method: the commands of the start page in a clean folder, with
// the case of the page among its cases, and every rule of the cookbook, checked and tested.

vi.setConfig({ testTimeout: 600_000 });

const DOCS = join(import.meta.dirname, "../../../docs");
const START = readFileSync(join(DOCS, "policies.md"), "utf8");
const COOKBOOK = readFileSync(join(DOCS, "policy-cookbook.md"), "utf8");

const folder = mkdtempSync(join(tmpdir(), "weir-docs-"));

// Built by Go where no test has asked for it before.
beforeAll(() => void provideOpa(), 600_000);

afterAll(() => rmSync(folder, { force: true, recursive: true }));

async function weir(cwd: string, ...argv: string[]): Promise<{ exit: number; said: string }> {
  const terminal = fakeTerminal(cwd);
  const exit = await runWeir(argv, terminal);
  return { exit, said: [...terminal.printed, ...terminal.noted].join("\n") };
}

/** The first block of a language below a heading. */
function blockOf(page: string, heading: string, language: string): string {
  const section = page.slice(page.indexOf(`\n## ${heading}\n`));
  const [, block] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section) ?? [];
  if (block === undefined) throw new Error(`${heading} has no block of ${language}`);
  return block;
}

test("the start page's commands, in a clean folder", async () => {
  let cwd = folder;
  const ran: string[] = [];
  for (const line of blockOf(START, "Start", "sh").trim().split("\n")) {
    const [program, ...words] = line.split(" ");
    if (program === "cd") {
      cwd = join(cwd, words[0] ?? "");
      writeFileSync(join(cwd, "cases/from-the-page.json"), blockOf(START, "Test", "json"));
      continue;
    }
    // The same bytes as without, sooner.
    const faster = words.includes("build") ? ["--opa", provideOpa()] : [];
    const { exit, said } = await weir(cwd, ...words.slice(1), ...faster);
    expect({ exit, line, said }).toEqual({ exit: 0, line, said });
    if (line.endsWith("policy test")) expect(said).toContain("3 of 3 cases as wanted");
    if (line.endsWith("policy test")) expect(said).toContain("2 of 2 rules held in a test");
    ran.push(words[2] ?? "");
  }
  expect(ran).toEqual(["new", "check", "test", "eval", "build", "inspect"]);
  const shipped = await withPolicyRoot(cwd, ({ root }) => buildPolicies(root));
  for (const [name, content] of [
    ["policy.wasm", shipped.wasm],
    ["data.json", Buffer.from(shipped.data)],
    [".manifest", Buffer.from(shipped.manifest)],
  ] as const) {
    expect(readFileSync(join(cwd, "bundle", name)).equals(content), name).toBe(true);
  }
});

test("the rules of the cookbook are sound, and each is tested", async () => {
  const blocks = [...COOKBOOK.matchAll(/```\w+ (policies\/\S+)\n([^]*?)```/g)];
  for (const [, path = "", text = ""] of blocks) {
    const file = join(folder, "cookbook", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const checked = await weir(folder, "policy", "check", "--dir", "cookbook");
  expect(checked).toEqual({ exit: 0, said: "the policies are sound" });
  const tested = await weir(folder, "policy", "test", "--dir", "cookbook", "--json");
  expect(JSON.parse(tested.said)).toMatchObject({
    coverage_percent: 100,
    failures: [],
    rules_never_held: [],
    tests: 10,
  });
});
