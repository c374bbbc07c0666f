import { readFileSync } from "node:fs";
import { join } from "node:path";

import { loadModule, type PolicyModule, words } from "../../engine/policy/module.ts";
import { CAPABILITIES, expectResult, inTemporaryFolder, type TestOutcome } from "./compile.ts";
import { runCompiler } from "./compiler.ts";

/** A test rule, in OPA and on the compiled policy. */
export interface PolicyTest extends TestOutcome {
  /** What it gives in WASM, in words, where that is not what it gives in OPA; null: it is. */
  readonly difference: string | null;
}

/** Lines of a source that tests reached. */
export interface FileCoverage {
  readonly file: string;
  readonly covered: number;
  readonly not_covered: number;
  /** First lines of what no test reached. */
  readonly missed: readonly number[];
}

/** A rule that makes a set, and whether some test saw it hold. */
export interface RuleCoverage {
  readonly package: string;
  readonly rule: string;
  readonly file: string;
  readonly row: number;
  /** "" for one without METADATA. */
  readonly code: string;
  readonly held: boolean;
}

export interface PolicyTests {
  readonly tests: readonly PolicyTest[];
  readonly files: readonly FileCoverage[];
  readonly rules: readonly RuleCoverage[];
}

/**
 * Runs the test rules of `policies/` below `root` whose full name matches a regular expression
 * (default: all): with OPA's own tester, for its messages and what they reached, and compiled to WASM
 * in the evaluator that decides.
 */
export async function testPolicies(root: string, filter?: string): Promise<PolicyTests> {
  return inTemporaryFolder(async (out) => {
    const [tested, built] = await runCompiler({ "/": root, "/out": out }, [
      ["test", "policies", ...(filter === undefined ? [] : [filter])],
      ["build-tests", "policies", "/out", CAPABILITIES],
    ]);
    const { files, rules, tests } = expectResult(tested) as Omit<PolicyTests, "tests"> & {
      readonly tests: readonly TestOutcome[];
    };
    if (tests.length === 0) return { files, rules, tests: [] };
    expectResult(built);
    const data = JSON.parse(readFileSync(join(out, "tests.json"), "utf8")) as object;
    const module = loadModule(readFileSync(join(out, "tests.wasm")), data);
    return {
      files,
      rules,
      tests: tests.map((one) => ({ ...one, difference: differenceOf(one, module) })),
    };
  });
}

/** What a test gives in WASM where it is not what it gives in OPA. */
function differenceOf(test: TestOutcome, module: PolicyModule): string | null {
  const entrypoint = `${test.package.replaceAll(".", "/")}/${test.name}`;
  let result: unknown;
  try {
    result = module.evaluate(entrypoint, "{}");
  } catch (thrown) {
    // What fails in one is expected to fail in the other; their words differ.
    return test.error === "" ? `fails in WASM: ${words(thrown)}` : null;
  }
  if (test.error !== "") return `is ${show(result)} in WASM, and fails in OPA`;
  if (passes(result, test.cases) === test.pass) return null;
  return `is ${show(result)} in WASM, and ${test.pass ? "passes" : "does not pass"} in OPA`;
}

/** A table holds a case a name; one that failed is missing. */
function passes(result: unknown, cases: TestOutcome["cases"]): boolean {
  if (cases === undefined || typeof result !== "object" || result === null) return result === true;
  const held = result as Readonly<Record<string, unknown>>;
  return Object.keys(cases).every((name) => held[name] !== undefined && held[name] !== false);
}

function show(result: unknown): string {
  return result === undefined ? "undefined" : JSON.stringify(result);
}
