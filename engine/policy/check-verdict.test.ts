import { describe, expect, test } from "vitest";

import { verdictFault } from "./check-verdict.ts";

const ALLOW = { effect: "allow", obligations: {}, reasons: [], retry_after_ms: 0, routes: [] };
const FINDING = { code: "a.b", params: { n: 1, s: "x", t: true }, rule: "r", severity: "info" };

describe("a verdict", () => {
  test.each([
    ALLOW,
    { ...ALLOW, effect: "block", reasons: [FINDING, { ...FINDING, shadow: true }] },
    { ...ALLOW, effect: "throttle", retry_after_ms: 1 },
    {
      ...ALLOW,
      obligations: { headers: { "x-a": "1" }, max_output_tokens: 0, strip: ["tools"] },
      routes: ["a:b"],
    },
  ])("%j is one", (result) => {
    expect(verdictFault(result)).toBeNull();
  });

  test.each([
    undefined,
    null,
    7,
    "allow",
    [ALLOW],
    {},
    { ...ALLOW, effect: "reroute" },
    { ...ALLOW, effect: undefined },
    { ...ALLOW, extra: 1 },
    { ...ALLOW, reasons: null },
    { ...ALLOW, reasons: [{ ...FINDING, code: "" }] },
    { ...ALLOW, reasons: [{ ...FINDING, severity: "fatal" }] },
    { ...ALLOW, reasons: [{ ...FINDING, params: { n: 1.5 } }] },
    { ...ALLOW, reasons: [{ ...FINDING, params: { n: 2 ** 53 } }] },
    { ...ALLOW, reasons: [{ ...FINDING, params: { n: null } }] },
    { ...ALLOW, reasons: [{ ...FINDING, params: [] }] },
    { ...ALLOW, reasons: [{ ...FINDING, shadow: "yes" }] },
    { ...ALLOW, retry_after_ms: -1 },
    { ...ALLOW, retry_after_ms: 0.5 },
    { ...ALLOW, retry_after_ms: "0" },
    { ...ALLOW, effect: "throttle" },
    { ...ALLOW, routes: "a:b" },
    { ...ALLOW, routes: [null] },
    { ...ALLOW, obligations: [] },
    { ...ALLOW, obligations: { max_output_tokens: -1 } },
    { ...ALLOW, obligations: { strip: "tools" } },
    { ...ALLOW, obligations: { strip: [1] } },
    { ...ALLOW, obligations: { headers: { a: 1 } } },
    { ...ALLOW, obligations: { headers: ["a"] } },
    { ...ALLOW, obligations: { __proto__: null, other: 1 } },
  ])("%j is none", (result) => {
    expect(verdictFault(result)).toMatch(/^(the result|obligation|unknown obligation)/);
  });
});
