import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { provideOpa } from "../../../test/support/opa.ts";
import { loadModule, type PolicyModule } from "../../../engine/policy/module.ts";
import { expectParity } from "../build-bundle.ts";
import { buildPolicies } from "../compile.ts";
import { evaluateInOpa } from "../evaluate-in-opa.ts";
import { evaluateWithOpa } from "../native.ts";
import { withPolicyRoot } from "../policy-root.ts";
import { compare } from "./compare.ts";
import type { Json } from "./schema.ts";

// Goal: constructs on which compiled policies were seen to part from OPA are told apart or alike.
// Method: one policy with a rule for each, and inputs that reach one of them, compared with OPA.

const folder = mkdtempSync(join(tmpdir(), "weir-parity-"));
let module: PolicyModule;
let askOpa: (inputs: readonly Json[]) => ReturnType<typeof evaluateInOpa>;
let askShipped: typeof askOpa;

const rule = (code: string, params: string, body: string): string => `
# METADATA
# title: Odd
# description: Odd.
# custom:
#   code: ${code}
#   severity: error
#   message: odd
deny contains finding.of(rego.metadata.rule(), ${params}) if {
	input.intent.labels.try == "${code}"
	${body}
}
`;

const SOURCES: Readonly<Record<string, string>> = {
  "org/lib/lists/eu/bar/bar.rego": `package org.lib.lists.eu.bar

allow if input.intent.labels.a == "eu"
`,
  "org/lib/shared/shared.rego": `package org.lib.shared

p := 7
`,
  "org/rules/odd/odd.rego": `package org.rules.odd

import data.weir.lib.finding
${rule("odd.set_order", '{"classes": classes}', 'classes := concat(",", {c | some c in input.intent.data.classes})')}
${rule("odd.path", "{}", "data.org.lib.lists[input.intent.labels.a].bar.allow")}
${rule("odd.long_path", "{}", "data.org.lib.lists[input.intent.labels.a][input.intent.labels.b].allow")}
${rule("odd.builtin_fails", '{"count": count(read)}', "read := {t: to_number(t) | some t in input.intent.data.classes}")}
${rule("odd.shared_prefix", "{}", 'k := "q"\n\tnot data.org.lib.shared[k]')}
${rule("odd.conflict", '{"v": v}', 'v := {"a": x | some x in input.intent.data.classes}.a')}
`,
  "org/other/data.json": '{ "q": 8 }\n',
};

/** An input that reaches one rule. */
function reaching(code: string, labels = {}, classes: readonly string[] = []): Json {
  return { intent: { data: { classes }, labels: { try: code, ...labels }, model: "m" }, mode: "x" };
}

beforeAll(async () => {
  for (const [path, text] of Object.entries(SOURCES)) {
    const file = join(folder, "policies", path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  }
  await withPolicyRoot(folder, async ({ root }) => {
    const files = await buildPolicies(root);
    module = loadModule(files.wasm, JSON.parse(files.data) as object);
  });
  const query = "data.weir.decision";
  const opa = provideOpa();
  askOpa = (inputs) =>
    withPolicyRoot(folder, ({ root }) => evaluateWithOpa(opa, root, query, inputs));
  askShipped = (inputs) => withPolicyRoot(folder, ({ root }) => evaluateInOpa(root, query, inputs));
}, 900_000);

afterAll(() => rmSync(folder, { force: true, recursive: true }));

describe("alike in OPA and in WASM", () => {
  const alike: readonly (readonly [string, Json])[] = [
    ["a rule reached by a path that the input builds", reaching("odd.path", { a: "eu" })],
    ["one reached by a longer such path", reaching("odd.long_path", { a: "eu", b: "bar" })],
    [
      "a built-in function that fails for one of several",
      reaching("odd.builtin_fails", {}, ["baz", "1", "2"]),
    ],
    ["data beside a package of the same prefix", reaching("odd.shared_prefix")],
    ["no input at all", {}],
  ];

  test("every construct, in one run of the module that ships", async () => {
    const inputs = alike.map(([, input]) => input);
    const { differences, smallest } = await compare(inputs, askShipped, module);
    expect(smallest).toBeNull();
    expect(differences).toBe(0);
  }, 300_000);

  test.each(alike.slice(0, 4))("%s, and the rule is not silent", (_what, input) => {
    const { try: code } = (input as { intent: { labels: { try: string } } }).intent.labels;
    const result = module.evaluate("weir/decision", JSON.stringify(input)) as {
      reasons: readonly { code: string; params: { count?: number } }[];
    };
    const found = result.reasons.find((reason) => reason.code === code);
    expect(found).toBeDefined();
    if (code === "odd.builtin_fails") expect(found?.params.count).toBe(2);
  });
});

test("a difference is shown by the smallest input, and refuses the bundle", async () => {
  const corpus = [
    reaching("odd.set_order", { a: "x", b: "y" }, ["c", "pii", "phi", "a"]),
    reaching("odd.path", { a: "eu" }),
  ];
  const parity = await compare(corpus, askOpa, module);
  expect(parity).toMatchObject({ differences: 1, inputs: 2 });
  const { intent } = (parity.smallest?.input ?? {}) as {
    readonly intent: { readonly data: { readonly classes: readonly string[] } };
  };
  expect(intent.data.classes.length).toBeLessThan(4);
  expect(intent).toEqual({
    data: { classes: intent.data.classes },
    labels: { try: "odd.set_order" },
  });
  expect(() => expectParity(parity)).toThrow(
    /^the compiled policy and OPA differ on 1 of 2 inputs; the smallest:\n {2}input {2}\{"intent".*\n {2}OPA {4}\{.*\n {2}WASM {3}\{/,
  );
}, 300_000);

test("where both fail they are alike; where OPA fails alone it is told", async () => {
  const conflict = reaching("odd.conflict", {}, ["a", "b"]);
  const { differences } = await compare([conflict], askShipped, module);
  expect(differences).toBe(0);
  const parity = await compare([{}], () => Promise.resolve([{ fault: "conflict" }]), module);
  expect(parity.differences).toBe(1);
}, 300_000);
