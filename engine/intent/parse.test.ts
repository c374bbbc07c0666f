import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { WeirError } from "../errors.ts";
import { checkClaims, mayActFor } from "./claims.ts";
import { FieldReader } from "./fields.ts";
import type { RawIntent } from "./intent.ts";
import { parseIntent } from "./parse.ts";

const MINIMAL: RawIntent = {
  attribution: { tenant: "acme" },
  id: "i",
  model: "openai:gpt-5",
  operation: "chat",
  tokens: { input: 7 },
};

function refusal(raw: RawIntent): readonly string[] {
  try {
    parseIntent(raw, "p");
  } catch (thrown) {
    if (thrown instanceof WeirError && thrown.code === "intent.invalid") {
      return thrown.violations.map(({ field }) => field);
    }
    throw thrown;
  }
  return [];
}

describe("an intent", () => {
  test("what is absent has its default", () => {
    expect(parseIntent(MINIMAL, "p")).toEqual({
      attempt: { number: 1, reason: "", retryOf: "" },
      attribution: {
        cost_center: "",
        customer: "",
        environment: "",
        feature: "",
        service: "",
        team: "",
        user: "",
      },
      data: { classes: [], residency: "", sensitivity: "unspecified" },
      deadlineMs: 0,
      id: "i",
      labels: {},
      model: "openai:gpt-5",
      operation: "chat",
      principal: "p",
      prompt: { id: "", version: "" },
      providers: [],
      release: "",
      run: { depth: 0, fingerprint: "", id: "", parent: "", step: 0 },
      serviceTier: "standard",
      task: "",
      tenant: "acme",
      tokens: { cacheRead: 0, cacheWrite: 0, input: 7, inputP95: 7, n: 1, outputMax: 0 },
    });
  });

  test.each([
    ["id", { id: "" }],
    ["id", { id: 7 }],
    ["attribution.tenant", { attribution: {} }],
    ["attribution", { attribution: "acme" as never }],
    ["model", { model: "gpt-5" }],
    ["model", { model: ":gpt-5" }],
    ["model", { model: "openai:" }],
    ["operation", { operation: "dance" }],
    ["operation", { operation: undefined }],
    ["tokens.input", { tokens: {} }],
    ["tokens.input_p95", { tokens: { input: 7, inputP95: 6 } }],
    ["tokens.cache_read", { tokens: { cacheRead: 4, cacheWrite: 4, input: 7 } }],
    ["run.id", { run: { step: 1 } }],
    ["run.id", { run: { fingerprint: "f" } }],
    ["data.sensitivity", { data: { sensitivity: "Internal" } }],
    ["data.classes", { data: { classes: "pii" } }],
    ["data.classes[1]", { data: { classes: ["pii", ""] } }],
    ["service_tier", { serviceTier: "express" }],
    ["labels", { labels: { "0": "v" } }],
    ["labels", { labels: { "a b": "v" } }],
    ["labels.a", { labels: { a: 1 } }],
    ["task", { task: "a\nb" }],
    ["attribution.team", { attribution: { team: "a\u0000b", tenant: "acme" } }],
    ["attribution.user", { attribution: { tenant: "acme", user: "a\u0085b" } }],
  ] as const)("%s is refused in %j", (field, change) => {
    expect(refusal({ ...MINIMAL, ...(change as RawIntent) })).toContain(field);
  });

  test("lone surrogates are replaced before anything sees them", () => {
    const { attribution, id } = parseIntent(
      { ...MINIMAL, attribution: { tenant: "acme", user: "\ud800" }, id: "a\udc00b" },
      "p",
    );
    expect(id).toBe("a\ufffdb");
    expect(attribution.user).toBe("\ufffd");
  });

  test("labels keep every name as a label, in canonical order", () => {
    const labels = JSON.parse('{"b":"2","__proto__":"3","a":"1","_":"4"}') as Record<
      string,
      unknown
    >;
    const parsed = parseIntent({ ...MINIMAL, labels }, "p").labels;
    expect(JSON.stringify(parsed)).toBe('{"_":"4","__proto__":"3","a":"1","b":"2"}');
  });

  test("whatever is sent, it is an intent or one clear refusal, and never a fault", () => {
    const raw = fc.record(
      {
        attempt: fc.anything(),
        attribution: fc.oneof(
          fc.anything(),
          fc.record({ team: fc.anything(), tenant: fc.string() }),
        ),
        data: fc.anything(),
        deadlineMs: fc.anything(),
        id: fc.oneof(fc.string(), fc.anything()),
        labels: fc.oneof(fc.anything(), fc.dictionary(fc.string(), fc.anything())),
        providers: fc.oneof(fc.anything(), fc.array(fc.string())),
        model: fc.oneof(fc.constant("a:b"), fc.anything()),
        operation: fc.oneof(fc.constant("chat"), fc.anything()),
        run: fc.anything(),
        tokens: fc.oneof(fc.anything(), fc.record({ input: fc.anything(), n: fc.anything() })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(raw, (sent) => {
        try {
          const intent = parseIntent(sent as RawIntent, "p");
          expect(JSON.parse(JSON.stringify(intent))).toMatchObject({ principal: "p" });
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WeirError);
          expect((thrown as WeirError).code).toBe("intent.invalid");
          expect((thrown as WeirError).violations.length).toBeGreaterThan(0);
          expect((thrown as WeirError).message.length).toBeLessThan(500);
        }
      }),
      { numRuns: 2_000, seed: 20_261_125 },
    );
  });
});

describe("single fields", () => {
  test("a text at its limit is taken; longer, of another kind or with control characters it is refused", () => {
    const read = new FieldReader();
    expect(read.text("abc", "f", 3)).toBe("abc");
    expect(read.text(null, "f", 3)).toBe("");
    expect(read.violations).toEqual([]);
    expect(read.text("abcd", "f", 3)).toBe("");
    expect(read.text(7, "f", 3)).toBe("");
    expect(read.text("a\u007f", "f", 3)).toBe("");
    expect(read.violations.map(({ description }) => description)).toEqual([
      "4 characters, at most 3 are accepted",
      "7 is not a string",
      expect.stringContaining("control characters"),
    ]);
  });

  test("a count is a whole number within its range, and minus zero is zero", () => {
    const read = new FieldReader();
    expect(Object.is(read.count(-0, "f", 0, 9), 0)).toBe(true);
    expect([read.count(9, "f", 0, 9), read.count(undefined, "f", 3, 9)]).toEqual([9, 0]);
    expect(read.violations).toEqual([]);
    for (const wrong of [10, -1, 1.5, "1", 1n, Number.NaN, true])
      expect(read.count(wrong, "f", 0, 9)).toBe(0);
    expect(read.violations).toHaveLength(7);
    expect(read.violations[0]?.description).toBe("10 is not a whole number from 0 to 9");
  });

  test("what is shown of a wrong value is short and well-formed", () => {
    const read = new FieldReader();
    read.choice("\ud800".repeat(100), "f", ["a"], null);
    const description = read.violations[0]?.description ?? "";
    expect(description.isWellFormed()).toBe(true);
    expect(description.length).toBeLessThan(100);
  });
});

describe("claims", () => {
  const attribution = {
    cost_center: "",
    customer: "",
    environment: "",
    feature: "",
    service: "",
    team: "",
    user: "",
  };
  const principals = {
    any: { claims: {}, tenants: ["*"] },
    none: { claims: { team: [] }, tenants: ["acme"] },
    search: { claims: { environment: ["prod"], team: ["search", "suggest"] }, tenants: ["acme"] },
  };

  test.each([
    ["any", "acme", { team: "x" }, true],
    ["any", "*", {}, true],
    ["search", "acme", { team: "search" }, true],
    ["search", "acme", { team: "suggest", user: "whoever" }, true],
    ["search", "acme", { team: "support" }, false],
    ["search", "acme", { environment: "dev", team: "search" }, false],
    ["search", "globex", { team: "search" }, false],
    ["search", "*", {}, false],
    ["search", "acme", {}, true],
    ["none", "acme", { team: "search" }, false],
    ["nobody", "acme", {}, false],
    ["__proto__", "acme", {}, false],
    ["constructor", "acme", {}, false],
    ["", "acme", {}, false],
  ] as const)("principal %j, tenant %s, %j", (principal, tenant, claimed, accepted) => {
    const check = () => checkClaims(principals, principal, tenant, { ...attribution, ...claimed });
    if (accepted) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "auth.denied" }));
  });

  test("who may act for a tenant", () => {
    expect(mayActFor(principals, "any", "globex")).toBe(true);
    expect(mayActFor(principals, "search", "acme")).toBe(true);
    expect(mayActFor(principals, "search", "globex")).toBe(false);
    expect(mayActFor(principals, "toString", "acme")).toBe(false);
  });
});
