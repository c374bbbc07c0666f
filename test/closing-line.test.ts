import { expect, test } from "vitest";

import { countRun } from "./closing-line.ts";

type Module = Parameters<typeof countRun>[0][number];

function moduleOf(states: readonly string[], errors = 0, suiteErrors = 0): Module {
  const listed = (count: number): unknown[] =>
    Array.from({ length: count }, () => ({ message: "" }));
  return {
    children: {
      allSuites: () => [{ errors: () => listed(suiteErrors) }],
      allTests: () => states.map((state) => ({ result: () => ({ state }) })),
    },
    errors: () => listed(errors),
  } as unknown as Module;
}

test("counts passed and failed tests, and skipped ones as neither", () => {
  const modules = [moduleOf(["passed", "failed", "skipped"]), moduleOf(["passed", "pending"])];
  expect(countRun(modules, [])).toEqual({ failed: 1, passed: 2 });
});

test("a file that did not load, a hook that threw and a stray error are failures", () => {
  expect(countRun([moduleOf([], 1), moduleOf(["passed"], 0, 1)], [new Error("stray")])).toEqual({
    failed: 3,
    passed: 1,
  });
});
