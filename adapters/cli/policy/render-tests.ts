import type { PolicyTest, PolicyTests } from "../../opa/test-policies.ts";
import { type Style, styleOf } from "../style.ts";
import { counted } from "./count.ts";

/** Whether every test passed, in OPA and in WASM alike. */
export function isSound({ tests }: PolicyTests): boolean {
  return tests.every(({ difference, pass }) => pass && difference === null);
}

/** What a program wants to know; `coverage_percent` is of the lines of the folder's own sources. */
export function toJson(run: PolicyTests): string {
  const { tests } = run;
  return JSON.stringify({
    tests: tests.length,
    passed: tests.filter(({ pass }) => pass).length,
    failed: tests.filter(({ pass }) => !pass).length,
    differences: tests.filter(({ difference }) => difference !== null).length,
    coverage_percent: coveragePercent(run),
    failures: tests
      .filter(({ difference, pass }) => !pass || difference !== null)
      .map((test) => ({ name: nameOf(test), file: test.file, row: test.row, why: whyOf(test) })),
    rules_never_held: run.rules.filter(({ held }) => !held).map(ruleName),
  });
}

/** What a person wants to know: failures with the values, what was not reached, and the count. */
export function renderTests(run: PolicyTests, options: { readonly color: boolean }): string {
  const style = styleOf(options.color);
  const { tests } = run;
  const passed = tests.filter(({ pass }) => pass).length;
  const differing = tests.filter(({ difference }) => difference !== null).length;
  const counts = [
    `${counted(passed, "test")} passed`,
    ...(passed < tests.length ? [`${tests.length - passed} failed`] : []),
    differing === 0 ? "all of them alike in WASM" : `${differing} not alike in WASM`,
  ].join(", ");
  return [
    ...tests
      .filter((test) => !test.pass || test.difference !== null)
      .map((test) => failureText(test, style)),
    ...coverageLines(run, style),
    isSound(run) ? style.green(counts) : style.red(counts),
  ].join("\n");
}

/** "org.rules.house_test.test_closed". */
export function nameOf({ name, package: path }: PolicyTest): string {
  return `${path}.${name}`;
}

/** Why a test is not sound, over several lines. */
export function whyOf({ cases, difference, error, failed_at, output }: PolicyTest): string {
  const failing = Object.entries(cases ?? {}).filter(([, pass]) => !pass);
  return [
    ...(difference === null ? [] : [difference]),
    ...(error === "" ? [] : [error]),
    ...(failing.length === 0 ? [] : [`cases: ${failing.map(([name]) => name).join(", ")}`]),
    ...(failed_at === "" ? [] : [failed_at.trimEnd()]),
    ...(output === "" ? [] : [`printed: ${output.trimEnd()}`]),
  ].join("\n");
}

function failureText(test: PolicyTest, style: Style): string {
  const head = `${style.red("FAIL")}  ${style.bold(nameOf(test))}  ${style.faint(`${test.file}:${test.row}`)}`;
  return `${head}\n${whyOf(test).replaceAll(/^/gm, "      ")}\n`;
}

/** Floored to a tenth: a hundred means all. */
function coveragePercent({ files }: PolicyTests): number {
  const covered = files.reduce((sum, file) => sum + file.covered, 0);
  const all = files.reduce((sum, file) => sum + file.covered + file.not_covered, 0);
  return all === 0 ? 100 : Math.floor((covered * 1_000) / all) / 10;
}

function coverageLines(run: PolicyTests, style: Style): readonly string[] {
  const { files, rules } = run;
  const never = rules.filter(({ held }) => !held);
  const label = style.faint("coverage  ");
  const indent = " ".repeat(10);
  return [
    `${label}${coveragePercent(run)} % of lines; ${rules.length - never.length} of ${counted(rules.length, "rule")} held in a test`,
    ...files
      .filter(({ missed }) => missed.length > 0)
      .map(({ file, missed }) => `${indent}${file}: not reached: ${missed.join(", ")}`),
    ...never.map((rule) => `${indent}${ruleName(rule)}: never held`),
  ];
}

function ruleName(rule: PolicyTests["rules"][number]): string {
  return rule.code === "" ? `${rule.file}:${rule.row}` : rule.code;
}
