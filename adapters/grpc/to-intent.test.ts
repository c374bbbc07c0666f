import { expect, test } from "vitest";
import { OPERATIONS, SENSITIVITIES, SERVICE_TIERS } from "../../engine/intent/intent.ts";
import { parseIntent } from "../../engine/intent/parse.ts";
import { OUTCOMES } from "../../engine/ledger/report.ts";
import { weir, type Encodable } from "../../proto/gen/weir.js";
import { decoder, encoder } from "../../proto/codec.ts";
import { toIntent } from "./to-intent.ts";
import { toReport } from "./to-report.ts";

const { v1 } = weir;

function received(message: Encodable<weir.v1.Intent>): weir.v1.Intent {
  return decoder(v1.Intent)(encoder(v1.Intent)(message));
}

const FULL: Encodable<weir.v1.Intent> = {
  id: "intent-1",
  attribution: {
    tenant: "acme",
    team: "search",
    feature: "ranking",
    service: "api",
    user: "u-1",
    costCenter: "cc-9",
    environment: "prod",
    customer: "c-3",
  },
  operation: v1.Operation.OPERATION_RERANK,
  model: "cohere:rerank-4",
  task: "rank",
  tokens: { input: 100, inputP95: 200, outputMax: 300, n: 2, cacheRead: 40, cacheWrite: 50 },
  data: {
    sensitivity: v1.Sensitivity.SENSITIVITY_RESTRICTED,
    classes: ["pii", "phi"],
    residency: "eu",
  },
  run: { id: "run-1", step: 3, depth: 2, parent: "run-0", fingerprint: "f" },
  attempt: { number: 2, reason: "timeout", retryOf: "intent-0" },
  serviceTier: v1.ServiceTier.SERVICE_TIER_FLEX,
  release: "1.2.3",
  prompt: { id: "p", version: "v4" },
  labels: { ticket: "T-1" },
  deadlineMs: 30_000,
};

test("every field of the contract arrives in the engine's intent", () => {
  expect(parseIntent(toIntent(received(FULL)), "svc")).toMatchObject({
    id: "intent-1",
    principal: "svc",
    tenant: "acme",
    attribution: {
      team: "search",
      feature: "ranking",
      service: "api",
      user: "u-1",
      cost_center: "cc-9",
      environment: "prod",
      customer: "c-3",
    },
    operation: "rerank",
    model: "cohere:rerank-4",
    task: "rank",
    tokens: { input: 100, inputP95: 200, outputMax: 300, n: 2, cacheRead: 40, cacheWrite: 50 },
    data: { sensitivity: "restricted", classes: ["pii", "phi"], residency: "eu" },
    run: { id: "run-1", step: 3, depth: 2, parent: "run-0", fingerprint: "f" },
    attempt: { number: 2, reason: "timeout", retryOf: "intent-0" },
    serviceTier: "flex",
    release: "1.2.3",
    prompt: { id: "p", version: "v4" },
    labels: { ticket: "T-1" },
    deadlineMs: 30_000,
  });
});

test("the contract's enums and the engine's words agree, in order and number", () => {
  const words = (values: object, prefix: string): string[] =>
    Object.keys(values).map((name) => name.slice(prefix.length).toLowerCase());
  expect(words(v1.Operation, "OPERATION_")).toEqual(["unspecified", ...OPERATIONS]);
  expect(words(v1.ServiceTier, "SERVICE_TIER_")).toEqual(["unspecified", ...SERVICE_TIERS]);
  expect(words(v1.Sensitivity, "SENSITIVITY_")).toEqual([...SENSITIVITIES]);
  expect(words(v1.Outcome, "OUTCOME_")).toEqual(["unspecified", ...OUTCOMES]);
  expect(words(v1.Basis, "BASIS_")).toEqual(["unspecified", "provider", "estimated"]);
});

test.each([
  ["an operation not said", { operation: 0 }, /operation: missing/],
  ["an unknown operation", { operation: 99 }, /operation: 99 is not accepted/],
  ["a negative operation", { operation: -1 }, /operation: -1 is not accepted/],
  ["an unknown tier", { serviceTier: 7 }, /service_tier: 7 is not accepted/],
  ["an unknown sensitivity", { data: { sensitivity: 12 } }, /data.sensitivity: 12 is not accepted/],
  ["no tokens", { tokens: undefined }, /tokens.input: missing/],
  ["no attribution", { attribution: undefined }, /attribution.tenant: missing/],
])("%s is refused by the engine", (_name, change, message) => {
  const raw = toIntent(received({ ...FULL, ...change }));
  expect(() => parseIntent(raw, "svc")).toThrow(message);
});

test("what is not said gets the engine's defaults", () => {
  const { id, attribution, operation, model } = FULL;
  const raw = toIntent(received({ id, attribution, operation, model, tokens: { input: 0 } }));
  const intent = parseIntent(raw, "svc");
  expect(intent).toMatchObject({ serviceTier: "standard", data: { sensitivity: "unspecified" } });
  expect(intent).toMatchObject({ attempt: { number: 1 }, tokens: { input: 0, n: 1 } });
});

test("no intent at all is refused, not a fault", () => {
  expect(() => parseIntent(toIntent(null), "svc")).toThrow(/id: missing/);
});

test("every field of a report arrives", () => {
  const sent: Encodable<weir.v1.UsageReport> = {
    decisionId: "d",
    sequence: 2,
    final: true,
    usage: {
      input: 10,
      cacheRead: 1,
      cacheWrite_5m: 2,
      cacheWrite_1h: 3,
      output: 20,
      reasoning: 4,
    },
    outcome: v1.Outcome.OUTCOME_TRUNCATED,
    basis: v1.Basis.BASIS_ESTIMATED,
    model: "a:b",
    serviceTier: "batch",
    rawUsage: { format: "openai.chat", json: "{}" },
    unknownUsage: ["openai.chat usage.new"],
  };
  expect(toReport(decoder(v1.UsageReport)(encoder(v1.UsageReport)(sent)))).toEqual({
    decisionId: "d",
    sequence: 2,
    final: true,
    usage: { input: 10, cacheRead: 1, cacheWrite5m: 2, cacheWrite1h: 3, output: 20, reasoning: 4 },
    outcome: "truncated",
    basis: "estimated",
    model: "a:b",
    serviceTier: "batch",
    rawUsage: { format: "openai.chat", json: "{}" },
    unknownUsage: ["openai.chat usage.new"],
  });
  expect(toReport(decoder(v1.UsageReport)(Buffer.alloc(0)))).toMatchObject({
    usage: undefined,
    outcome: undefined,
    basis: "provider",
  });
  expect(toReport(null)).toEqual({});
});
