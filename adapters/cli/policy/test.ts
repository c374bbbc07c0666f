import { existsSync, watch, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../../engine/errors.ts";
import { DECISION } from "../../opa/build-bundle.ts";
import { buildPolicies } from "../../opa/compile.ts";
import { evaluateInOpa, ofConfigured } from "../../opa/evaluate-in-opa.ts";
import { withPolicyRoot } from "../../opa/policy-root.ts";
import { testPolicies } from "../../opa/test-policies.ts";
import { type Invocation, UsageError } from "../command.ts";
import { EXIT } from "../exit.ts";
import { readCases } from "./cases/policy-case.ts";
import { type CaseOutcome, testCases } from "./cases/test-cases.ts";
import { toJUnit } from "./junit.ts";
import { isSound, renderTests, type TestRun, toJson } from "./render-tests.ts";

/** Runs tests and cases; exit code 1 if one fails, or gives in WASM what it does not give in OPA. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const folder = resolve(terminal.cwd, flags["dir"] ?? ".");
  const cases = resolve(terminal.cwd, flags["cases"] ?? join(folder, "cases"));
  if (flags["cases"] !== undefined && !existsSync(cases))
    throw new UsageError(`--cases: there is no folder ${flags["cases"]}`);
  const shown = relative(flags["cases"] === undefined ? folder : terminal.cwd, cases);
  const once = async (): Promise<number> => {
    const tests = await runTests(folder, { folder: cases, shown }, flags["run"]);
    if (flags["junit"] !== undefined)
      writeFileSync(resolve(terminal.cwd, flags["junit"]), toJUnit(tests));
    terminal.print(json ? toJson(tests) : renderTests(tests, terminal));
    return isSound(tests) ? EXIT.ok : EXIT.fault;
  };
  if (flags["watch"] === undefined) return once();
  for (;;) {
    const changed = nextChange([join(folder, "policies"), cases]);
    try {
      await once();
    } catch (thrown) {
      terminal.note(`weir: ${WeirError.from(thrown).message}`);
    }
    terminal.note(`waiting for a change in ${folder}; Ctrl-C ends`);
    await changed;
  }
}

/** A folder of case files, and what it is called in what is printed. */
interface CaseFolder {
  readonly folder: string;
  readonly shown: string;
}

/** Tests of the folder's own policies: what ships was tested before it shipped. */
async function runTests(
  folder: string,
  cases: CaseFolder,
  filter: string | undefined,
): Promise<TestRun> {
  return withPolicyRoot(folder, async ({ own, root }) => {
    const { files, rules, tests } = await testPolicies(root, filter);
    const isOwn = ({ file }: { readonly file: string }): boolean => existsSync(join(own, file));
    return {
      cases: await runCases(root, cases, filter),
      files: files.filter(isOwn),
      rules: rules.filter(isOwn),
      tests: tests.filter(isOwn),
    };
  });
}

async function runCases(
  root: string,
  { folder, shown }: CaseFolder,
  filter: string | undefined,
): Promise<readonly CaseOutcome[]> {
  if (!existsSync(folder)) return [];
  const pattern = filter === undefined ? null : new RegExp(filter);
  const cases = readCases(folder)
    .map((one) => ({ ...one, file: join(shown, one.file) }))
    .filter(({ file }) => pattern?.test(file) ?? true);
  if (cases.length === 0) return [];
  return testCases(cases, await buildPolicies(root), (asked) =>
    evaluateInOpa(root, ofConfigured(DECISION, "input"), asked),
  );
}

const SETTLE_MS = 200;

/** Resolves once something in the folders has changed and come to rest. */
async function nextChange(folders: readonly string[]): Promise<void> {
  const watchers = folders.filter(existsSync).map((one) => watch(one, { recursive: true }));
  await Promise.race(
    watchers.map((watcher) => new Promise((changed) => watcher.once("change", changed))),
  );
  for (const watcher of watchers) watcher.close();
  await sleep(SETTLE_MS);
}
