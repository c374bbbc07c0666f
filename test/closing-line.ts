import { writeSync } from "node:fs";

import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Counts a run: a file that did not load and an error outside of tests are failures too. */
export function countRun(
  modules: readonly Pick<TestModule, "children" | "errors">[],
  unhandled: readonly unknown[],
): { readonly passed: number; readonly failed: number } {
  let passed = 0;
  let failed = unhandled.length;
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      if (state === "failed") failed += 1;
    }
  }
  return { failed, passed };
}

/** Ends the output of a run with the line "N passed, N failed". */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const { failed, passed } = countRun(modules, unhandled);
    // At the exit, for other reporters write after this one.
    process.once("exit", () => writeSync(1, `${passed} passed, ${failed} failed\n`));
  }
}
