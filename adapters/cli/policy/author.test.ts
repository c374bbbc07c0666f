import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, expect, test, vi } from "vitest";

import { fakeTerminal } from "../fake-terminal.ts";
import { runWeir } from "../main.ts";

// Goal: what an author of policies types, from an empty folder to a bundle, and what each command says
// when something is wrong. A run of the compiler costs seconds, so each shows several things at once.

vi.setConfig({ testTimeout: 400_000 });

const folder = mkdtempSync(join(tmpdir(), "weir-author-"));

afterAll(() => rmSync(folder, { force: true, recursive: true }));

async function weir(...argv: string[]): Promise<{ exit: number; said: string; noted: string }> {
  const terminal = fakeTerminal(folder);
  const exit = await runWeir(["policy", ...argv], terminal);
  return { exit, noted: terminal.noted.join("\n"), said: terminal.printed.join("\n") };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** A policy folder of its own with these sources in it. */
function makeFolder(name: string, sources: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(sources)) write(join(name, "policies", path), text);
}

const RULES = "org/rules/house/house.rego";

function metadata(code: string, more = ""): string {
  return `# METADATA
# title: House
# description: A rule of the house.
# custom:
#   code: ${code}
#   severity: error
#   message: no
${more}`;
}

const PACKAGE = `# METADATA
# title: House
# description: Rules of the house.
# schemas:
#   - input: schema.input
package org.rules.house

import data.weir.lib.finding

`;

test("a new folder is not made where something is in the way", async () => {
  write("full/notes.txt", "mine");
  const { exit, noted } = await weir("new", "full");
  expect(exit).toBe(2);
  expect(noted).toContain("full is not empty; accepted is a folder still to be made");
});

test("a folder without policies is refused", async () => {
  mkdirSync(join(folder, "empty"));
  const { exit, noted } = await weir("check", "--dir", "empty");
  expect(exit).toBe(2);
  expect(noted).toMatch(/there is no folder policies in .*empty; weir policy new DIR makes one/);
});

test("a check names each fault by file and line", async () => {
  makeFolder("faulty", {
    [RULES]: `${PACKAGE}${metadata("house.one")}deny contains finding.of(rego.metadata.rule(), {}) if {
	input.intent.team == ""
}

${metadata("house.one")}deny contains finding.of(rego.metadata.rule(), {"text": sprintf("%d", [1])}) if {
	input.intent.model == ""
}

throttle if input.intent.model == "x"

${metadata("house.two")}denies contains finding.of(rego.metadata.rule(), {}) if input.intent.model == ""
`,
    "org/rules/house/deep/deep.rego": `package org.rules.house.deep

deny contains 1 if glob.match("a*", [], "ab")
`,
    "org/rules/house/house_test.rego": `package org.rules.house_test

import data.org.rules.house

test_mock if {
	count(house.deny) == 9 with count as 9 with input as {}
}
`,
    "org/plain/data.json": '{ "a": 1 }\n',
    "org/odd/data.json": '{\n  "limit": "x"\n}\n',
    "schemas/org/odd.json": `{ "type": "object", "properties": { "limit": { "type": "integer" } } }\n`,
  });
  write("faulty/policies/org/rules/other/other.rego", "package org.rules.other\n\nx  :=  1\n");
  const { exit, said } = await weir("check", "--dir", "faulty");
  expect(exit).toBe(1);
  const at = (file: string, row: number): string => `policies/${file}:${row}:`;
  for (const line of [
    `${at(RULES, 28)} undefined function sprintf: WASM has no such built-in function; a template string does`,
    `${at(RULES, 28)} code house.one is used twice`,
    `${at(RULES, 32)} throttle makes one value, findings are a set`,
    `${at(RULES, 41)} denies has a code and makes no finding; accepted are deny, throttle, reroute, oblige, advise`,
    `${at("org/rules/house/deep/deep.rego", 3)} package org.rules.house.deep is not collected; a concern is org.rules.NAME`,
    `${at("org/rules/house/house_test.rego", 6)} count is mocked before input or data, which loses the mock in WASM`,
    `${at("org/rules/other/other.rego", 3)} not in OPA's format from here; weir policy check --fix formats it`,
    `${at("org/plain/data.json", 1)} has no schema; add policies/schemas/org/plain.json`,
    `${at("org/odd/data.json", 2)} data.org.odd.limit: Invalid type. Expected: integer, given: string`,
    `${at("org/rules/house/deep/deep.rego", 3)} warning: glob.match compiles its pattern at every evaluation, `,
  ]) {
    expect(said).toContain(line);
  }
  expect(said).toMatch(/glob.match compiles .*, \d+\.\d µs a call here/);
});

test("a file that is no case is refused, with what is accepted", async () => {
  makeFolder("odd", {});
  write("odd/policies/org/none.rego", "package org.lib.none\n");
  write(
    "odd/cases/odd.json",
    '{ "description": "x", "given": { "intent": {} }, "want": { "effect": "deny" } }',
  );
  const { exit, noted } = await weir("test", "--dir", "odd");
  expect(exit).toBe(2);
  expect(noted).toContain(
    "odd.json: case.want.effect is not one of allow, reroute, throttle, block",
  );
});

test("a build refuses what the check refuses, and writes nothing", async () => {
  makeFolder("misspelt", {
    [RULES]: `${PACKAGE}${metadata("house.one")}deny contains finding.of(rego.metadata.rule(), {}) if input.intent.teem == ""
`,
  });
  const { exit, noted } = await weir("build", "--dir", "misspelt", "--out", "none");
  expect(exit).toBe(1);
  expect(noted).toContain(`weir: policies/${RULES}:17: undefined ref: input.intent.teem`);
  expect(existsSync(join(folder, "none"))).toBe(false);
});

test("a test that fails shows its values, and one that OPA passes and WASM does not is a difference", async () => {
  makeFolder("failing", {
    [RULES]: `${PACKAGE}${metadata("house.one")}deny contains finding.of(rego.metadata.rule(), {}) if count(input.intent.model) == 1
`,
    "org/rules/house/house_test.rego": `package org.rules.house_test

import data.org.rules.house

test_count if {
	expected := 2
	count(house.deny) == expected with input as {"intent": {"model": "a"}}
}

test_set_order if {
	concat(",", {"c", "pii", "phi", "a"}) == "a,c,phi,pii"
}
`,
  });
  const intent = {
    attribution: { tenant: "acme" },
    model: "openai:none",
    operation: "OPERATION_CHAT",
    tokens: { input: 1 },
  };
  const wanted = { description: "A house of our own.", given: { intent } };
  const cases: Readonly<Record<string, unknown>> = {
    refused: { ...wanted, given: { intent: { attribution: 7 } } },
    unlike: wanted,
  };
  for (const [name, given] of Object.entries(cases)) {
    const want = { effect: "allow", messages: { "house.one": "yes" }, reasons: ["house.one"] };
    write(`failing/cases/${name}.json`, JSON.stringify({ ...(given as object), want }));
  }
  const { exit, said } = await weir("test", "--dir", "failing", "--junit", "results.xml");
  expect(exit).toBe(1);
  expect(said).toContain(
    "FAIL  org.rules.house_test.test_count  policies/org/rules/house/house_test.rego:5",
  );
  expect(said).toMatch(/count\(house\.deny\) == expected[^]*\b2\b/);
  expect(said).toContain("FAIL  org.rules.house_test.test_set_order");
  expect(said).toContain("is undefined in WASM, and passes in OPA");
  expect(said).toContain("1 test passed, 1 failed, 1 not alike in WASM");
  expect(said).toMatch(
    /FAIL {2}cases\/refused\.json\n {6}A house of our own\.\n {6}refused: \S+: \S/,
  );
  expect(said).toMatch(
    /FAIL {2}cases\/unlike\.json\n {6}A house of our own\.\n {6}effect is "block", wanted "allow"/,
  );
  expect(said).toContain('message of house.one is "", wanted "yes" in it');
  expect(said).toContain("0 of 2 cases as wanted, judged alike in OPA");
  const xml = readFileSync(join(folder, "results.xml"), "utf8");
  expect(xml).toContain('<testsuite name="cases" tests="2" failures="2">');
  expect(xml).toContain('<testsuite name="org.rules.house_test" tests="2" failures="2">');
});
