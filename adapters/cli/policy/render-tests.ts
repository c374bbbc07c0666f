import type { PolicyTest, PolicyTests } from "../../opa/test-policies.ts";
import { type Style, styleOf } from "../style.ts";
import type { CaseOutcome } from "./cases/test-cases.ts";
import { counted } from "./count.ts";

/** Test rules and cases, and how they went. */
export interface TestRun extends PolicyTests {
  readonly cases: readonly CaseOutcome[];
}

/** Whether every test and case passed, in OPA and in WASM alike. */
export function isSound({ cases, tests }: TestRun): boolean {
  return (
    tests.every(({ difference, pass }) => pass && difference === null) && cases.every(isAsWanted)
  );
}

/** Whether a case came out as wanted, in OPA too. */
export function isAsWanted({ difference, faults }: CaseOutcome): boolean {
  return faults.length === 0 && difference === null;
}

/** What a program wants to know; `coverage_percent` is of the lines of the folder's own sources. */
export function toJson(run: TestRun): string {
  const { cases, tests } = run;
  const unlike = cases.filter((one) => !isAsWanted(one));
  return JSON.stringify({
    tests: tests.length,
    passed: tests.filter(({ pass }) => pass).length,
    failed: tests.filter(({ pass }) => !pass).length,
    differences: tests.filter(({ difference }) => difference !== null).length,
    coverage_percent: coveragePercent(run),
    cases: { passed: cases.length - unlike.length, failed: unlike.length },
    failures: [
      ...tests
        .filter(({ difference, pass }) => !pass || difference !== null)
        .map((test) => ({ name: nameOf(test), file: test.file, row: test.row, why: whyOf(test) })),
      ...unlike.map((one) => ({ name: one.file, file: one.file, row: 1, why: whyNot(one) })),
    ],
    rules_never_held: run.rules.filter(({ held }) => !held).map(ruleName),
  });
}

/** What a person wants to know: failures with the values, what was not reached, and the count. */
export function renderTests(run: TestRun, options: { readonly color: boolean }): string {
  const style = styleOf(options.color);
  const { cases, tests } = run;
  const passed = tests.filter(({ pass }) => pass).length;
  const differing = tests.filter(({ difference }) => difference !== null).length;
  const counts = [
    `${counted(passed, "test")} passed`,
    ...(passed < tests.length ? [`${tests.length - passed} failed`] : []),
    differing === 0 ? "all of them alike in WASM" : `${differing} not alike in WASM`,
  ].join(", ");
  const paint = isSound(run) ? style.green : style.red;
  return [
    ...tests
      .filter((test) => !test.pass || test.difference !== null)
      .map((test) => failureText(test, style)),
    ...cases
      .filter((one) => !isAsWanted(one))
      .map((one) => `${style.red("FAIL")}  ${style.bold(one.file)}\n${indented(whyNot(one))}\n`),
    ...(tests.length === 0 ? [] : coverageLines(run, style)),
    ...(cases.length === 0 ? [] : [casesLine(cases, style)]),
    ...(tests.length === 0 && cases.length > 0 ? [] : [paint(counts)]),
  ].join("\n");
}

function casesLine(cases: readonly CaseOutcome[], style: Style): string {
  const failed = cases.filter((one) => !isAsWanted(one)).length;
  const differing = cases.filter(({ difference }) => difference !== null).length;
  const said = [
    `${cases.length - failed} of ${counted(cases.length, "case")} as wanted`,
    differing === 0 ? "judged alike in OPA" : `${differing} not judged alike in OPA`,
  ];
  return `${style.faint("cases".padEnd(10))}${said.join(", ")}`;
}

/** Why a case is not as wanted, over several lines, after what it is to show. */
export function whyNot({ description, difference, faults }: CaseOutcome): string {
  return [description, ...faults, ...(difference === null ? [] : [difference])].join("\n");
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
  return `${head}\n${indented(whyOf(test))}\n`;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "      ");
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
