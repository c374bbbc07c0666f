import { expect, test } from "vitest";

import { LIMITS } from "../../engine/limits.ts";
import { readSmokeCases } from "./smoke.ts";

const cases = (count: number): string =>
  JSON.stringify(Array.from({ length: count }, () => ({ input: {}, name: "x" })));

test("a bundle brings as many smoke cases as are accepted, and not one more", () => {
  expect(readSmokeCases(cases(LIMITS.smokeCases))).toHaveLength(LIMITS.smokeCases);
  expect(() => readSmokeCases(cases(LIMITS.smokeCases + 1))).toThrow(
    "smoke.json holds 10001 cases, at most 10000 are accepted",
  );
});

test.each([
  ["{", "smoke.json is not JSON"],
  ["{}", "smoke.json is not a list of cases"],
  ['[{"input":{}}]', "smoke.json case 1 has no name"],
  [
    '[{"name":"a","input":{},"effect":"deny"}]',
    'smoke.json a: effect "deny"; accepted are allow, throttle, block',
  ],
])("%s is refused", (text, message) => {
  expect(() => readSmokeCases(text)).toThrow(message);
});
