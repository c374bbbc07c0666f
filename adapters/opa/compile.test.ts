import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { openBundle } from "../../engine/policy/bundle.ts";
import {
  buildCommand,
  CAPABILITIES,
  expectResult,
  inTemporaryFolder,
  readBuild,
  type TestOutcome,
} from "./compile.ts";
import { type Answer, readStamp, runCompiler } from "./compiler.ts";
import { describeRules, type RuleSource } from "./manifest.ts";

const ROOT = join(import.meta.dirname, "../..");

/** One run of the compiler answers all: a process costs seconds. */
let answers: readonly Answer[];
let built: readonly BundleFiles[];

beforeAll(async () => {
  await inTemporaryFolder(async (out) => {
    mkdirSync(join(out, "a"));
    mkdirSync(join(out, "b"));
    answers = await runCompiler({ "/": ROOT, "/out": out }, [
      buildCommand("/out/a"),
      buildCommand("/out/b"),
      ["check", "policies", "policies/schemas", CAPABILITIES],
      ["fmt", "policies"],
      ["test", "policies"],
      ["version"],
    ]);
    built = [readBuild(join(out, "a"), answers[0]), readBuild(join(out, "b"), answers[1])];
  });
});

function shipped(name: string): Buffer {
  return readFileSync(join(ROOT, "bundles/starter", name));
}

describe("the shipped bundle", () => {
  test("is built alike twice", () => {
    expect(built[0]).toEqual(built[1]);
  });

  test("is what the policies build", () => {
    const advice = "run npm run build:policies";
    expect(shipped("policy.wasm").equals(built[0]?.wasm ?? new Uint8Array()), advice).toBe(true);
    expect(shipped("data.json").toString(), advice).toBe(built[0]?.data);
    expect(shipped(".manifest").toString(), advice).toBe(built[0]?.manifest);
  });

  test("opens, with a description of every rule", () => {
    const bundle = openBundle(built[0] as BundleFiles);
    expect(bundle.revision).toBe(bundle.digest.slice(0, 12));
    expect(bundle.rules["budget.exhausted"]).toEqual({
      title: "Budget exhausted",
      description: "The call would take a hard money budget over its limit.",
      severity: "error",
      kind: "deny",
      message: "budget {budget} has {remaining_micro_usd} left, the call may cost {cost_micro_usd}",
    });
  });
});

describe("the policies", () => {
  test("pass OPA's strict check against the schemas and the allowed functions", () => {
    expect(answers[2]?.errors).toEqual([]);
  });

  test("are in OPA's format", () => {
    expect(expectResult(answers[3])).toEqual({ places: [] });
  });

  test("pass their own tests", () => {
    const { tests } = expectResult(answers[4]) as { tests: readonly TestOutcome[] };
    expect(tests.filter(({ pass }) => !pass)).toEqual([]);
    expect(tests.length).toBeGreaterThan(100);
  });
});

test("the module is the OPA version that its stamp says", () => {
  expect(expectResult(answers[5])).toBe(readStamp().opa);
});

describe("describing rules", () => {
  const rule: RuleSource = {
    package: "org.rules.house",
    rule: "throttle",
    file: "policies/org/house.rego",
    row: 7,
    title: "House",
    description: "Ours.\n",
    custom: { code: "house.x", severity: "warning", message: "wait {retry_after_ms}" },
    params: ["retry_after_ms"],
  };

  test("takes a whole description", () => {
    expect(describeRules([rule])).toEqual({
      "house.x": {
        title: "House",
        description: "Ours.",
        severity: "warning",
        kind: "throttle",
        message: "wait {retry_after_ms}",
      },
    });
  });

  test("leaves out sets that are no findings", () => {
    expect(
      describeRules([
        { ...rule, rule: "names" },
        { ...rule, package: "weir.lib.x" },
      ]),
    ).toEqual({});
  });

  test.each([
    [{ title: "" }, "the rule has no title"],
    [{ custom: null }, "the rule has no custom.code"],
    [{ custom: { ...rule.custom, message: "" } }, "the rule has no custom.message"],
    [
      { custom: { ...rule.custom, severity: "bad" } },
      'severity "bad" is not one of info, warning, error, critical',
    ],
    [{ custom: { ...rule.custom, cure: "luck" } }, 'cure "luck" is not one of model, none'],
    [
      { params: ["retry_after_ms", "b"], custom: { ...rule.custom, message: "{c}" } },
      "the message names {c}",
    ],
    [
      { params: [], custom: { ...rule.custom, message: "wait" } },
      "a throttle must produce retry_after_ms",
    ],
    [{ rule: "reroute" }, "a reroute must produce model"],
    [
      { rule: "oblige" },
      "an oblige must produce one of max_output_tokens, service_tier, strip, header",
    ],
  ])("refuses %j", (change, fault) => {
    expect(() => describeRules([{ ...rule, ...change }])).toThrow(
      `policies/org/house.rego:7: ${fault}`,
    );
  });

  test("refuses a code used twice", () => {
    expect(() => describeRules([rule, rule])).toThrow("code house.x is used twice");
  });
});
