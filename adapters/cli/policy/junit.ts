import type { CaseOutcome } from "./cases/test-cases.ts";
import { isAsWanted, nameOf, type TestRun, whyNot, whyOf } from "./render-tests.ts";

/** The results in the XML that CI systems read as JUnit's: one suite a package, one of the cases. */
export function toJUnit({ cases, tests }: TestRun): string {
  const packages = [...new Set(tests.map((test) => test.package))];
  const suites = packages.map((name) => {
    const own = tests.filter((test) => test.package === name);
    const failures = own.filter(({ difference, pass }) => !pass || difference !== null);
    const cases = own.map((test) => {
      const at = `classname="${escape(name)}" name="${escape(test.name)}" file="${escape(test.file)}" line="${test.row}"`;
      if (!failures.includes(test)) return `    <testcase ${at}/>`;
      const why = `<failure message="${escape(nameOf(test))}">${escape(whyOf(test))}</failure>`;
      return `    <testcase ${at}>${why}</testcase>`;
    });
    const counts = `tests="${own.length}" failures="${failures.length}"`;
    return [`  <testsuite name="${escape(name)}" ${counts}>`, ...cases, "  </testsuite>"];
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    ...suites.flat(),
    ...(cases.length === 0 ? [] : caseSuite(cases)),
    "</testsuites>",
    "",
  ].join("\n");
}

function caseSuite(cases: readonly CaseOutcome[]): readonly string[] {
  const failures = cases.filter((one) => !isAsWanted(one));
  return [
    `  <testsuite name="cases" tests="${cases.length}" failures="${failures.length}">`,
    ...cases.map((one) => {
      const at = `classname="cases" name="${escape(one.file)}" file="${escape(one.file)}"`;
      if (!failures.includes(one)) return `    <testcase ${at}/>`;
      const why = `<failure message="${escape(one.file)}">${escape(whyNot(one))}</failure>`;
      return `    <testcase ${at}>${why}</testcase>`;
    }),
    "  </testsuite>",
  ];
}

const ENTITIES: Readonly<Record<string, string>> = {
  '"': "&quot;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
};

/** Characters that XML cannot hold at all are left out. */
function escape(text: string): string {
  return text
    .replaceAll(/["&<>]/g, (letter) => ENTITIES[letter] ?? letter)
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
}
