import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WeirError } from "../../engine/errors.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import { intentFromBody, intentFromJson } from "./to-intent.ts";

const refusal = (work: () => unknown): WeirError => {
  try {
    work();
  } catch (thrown) {
    return thrown as WeirError;
  }
  throw new Error("not refused");
};
const parse = (json: unknown) => parseIntent(intentFromJson(json), "p");

const SNAKE = {
  id: "i1",
  attribution: { tenant: "acme", cost_center: "cc-1", user: "u" },
  operation: "OPERATION_CHAT",
  model: "openai:gpt-5",
  tokens: { input: "1000", input_p95: 1200, output_max: "500", cache_read: 10 },
  data: { sensitivity: "SENSITIVITY_INTERNAL", classes: ["pii"] },
  run: { id: "r", step: "3" },
  attempt: { number: 2, retry_of: "i0" },
  service_tier: "SERVICE_TIER_BATCH",
  labels: { a: "b" },
  deadline_ms: "60000",
};
const CAMEL = {
  ...SNAKE,
  attribution: { tenant: "acme", costCenter: "cc-1", user: "u" },
  operation: "chat",
  tokens: { input: 1000, inputP95: "1200", outputMax: 500, cacheRead: 10 },
  data: { sensitivity: "internal", classes: ["pii"] },
  attempt: { number: "2", retryOf: "i0" },
  service_tier: undefined,
  serviceTier: "batch",
  deadline_ms: undefined,
  deadlineMs: 60_000,
};

describe("spellings", () => {
  it("reads snake_case and lowerCamelCase alike", () => {
    const intent = parse(SNAKE);
    expect(parse(JSON.parse(JSON.stringify(CAMEL)))).toEqual(intent);
    expect(intent).toMatchObject({
      attribution: { cost_center: "cc-1" },
      attempt: { number: 2, retryOf: "i0" },
      deadlineMs: 60_000,
      operation: "chat",
      serviceTier: "batch",
      tokens: { input: 1000, inputP95: 1200, outputMax: 500, cacheRead: 10 },
    });
  });

  it("takes null and UNSPECIFIED as absent", () => {
    const intent = parse({
      ...SNAKE,
      run: null,
      task: null,
      service_tier: "SERVICE_TIER_UNSPECIFIED",
    });
    expect(intent).toMatchObject({ run: { id: "" }, serviceTier: "standard", task: "" });
  });

  it("refuses a field given in both", () => {
    const error = refusal(() => parse({ ...SNAKE, deadlineMs: 1 }));
    expect(error.message).toContain("deadline_ms: given twice, as deadline_ms and as deadlineMs");
  });
});

describe("refusals", () => {
  it.each([
    [
      { tokens: { inptu: 1 } },
      "intent.tokens.inptu: unknown field; the nearest valid one is input",
    ],
    [{ Id: "x" }, "intent.Id: unknown field; the nearest valid one is id"],
    [{ tokens: 5 }, "intent.tokens: not an object"],
    [{ tokens: [] }, "intent.tokens: not an object"],
    [JSON.parse('{"__proto__": {"id": "x"}}'), "intent.__proto__: unknown field"],
    [
      JSON.parse('{"tokens": {"__proto__": {"input": 1}}}'),
      "intent.tokens.__proto__: unknown field",
    ],
    [{ constructor: 1 }, "intent.constructor: unknown field"],
    [{ 'a"\n': 1 }, 'intent."a\\"\\n": unknown field'],
  ])("names the path and the nearest field: %j", (change, message) => {
    const error = refusal(() => parse({ ...SNAKE, ...change }));
    expect(error.code).toBe("intent.invalid");
    expect(error.message).toContain(message);
  });

  it.each([1.5, "1.5", "NaN", -1, "-1", 1e20, "9007199254740993", "0x10", true, [], ""])(
    "leaves a count of %j to the engine, which refuses it",
    (input) => {
      const error = refusal(() => parse({ ...SNAKE, tokens: { input } }));
      expect(error.violations[0]?.field).toBe("tokens.input");
    },
  );

  it("stops naming wrong fields after a few", () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`f${index}`, 1]));
    expect(refusal(() => parse(many)).violations.length).toBeLessThanOrEqual(16);
  });

  it.each([undefined, null, 1, "x", []])("takes no intent from %j", (json) => {
    expect(refusal(() => intentFromJson(json)).code).toBe("intent.invalid");
  });
});

describe("the OPA body", () => {
  it("holds the intent alone", () => {
    expect(intentFromBody({ input: { intent: SNAKE } }).id).toBe("i1");
  });

  it.each([
    [{ input: { intent: SNAKE, facts: {} } }, "input.facts: is computed by the service"],
    [{ input: { intent: SNAKE, context: {} } }, "input.context: is computed by the service"],
    [{ input: { intent: SNAKE, user: 1 } }, "input.user: is not accepted"],
    [{ input: { intent: SNAKE }, unknowns: [] }, "unknowns: is not accepted"],
    [{ input: {} }, "input.intent: missing"],
    [{}, "input: missing"],
    [[], "body: not an object"],
    [{ input: [] }, "input: not an object"],
  ])("refuses %j", (body, message) => {
    expect(refusal(() => intentFromBody(body)).message).toContain(message);
  });
});

it("reads every example that ships", () => {
  const folder = join(import.meta.dirname, "../../examples");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) {
    expect(parse(JSON.parse(readFileSync(join(folder, file), "utf8"))).tenant).toBe("acme");
  }
});
