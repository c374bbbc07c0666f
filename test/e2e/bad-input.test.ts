import { Client, compressionAlgorithms, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { encoder } from "../../proto/codec.ts";
import { LIMITS } from "../../engine/limits.ts";
import { weir } from "../../proto/gen/weir.js";
import {
  accepted,
  encodeDecide,
  encodeReport,
  expectRefused,
  intentWith,
  invalid,
  type Live,
  openLive,
  type Refusal,
  refused,
  type WireIntent,
  wireIntent,
  type WireReport,
} from "./live.ts";
import { sized } from "./wire.ts";

// Goal: whatever a caller sends, it gets one clear error; nothing is charged, nothing is lost, and the
// service goes on. Method: the whole service on a data folder, asked over real gRPC, with bytes made
// by hand where the codec would not let the value through, and JSON for what protobuf cannot say.

let live: Live;
let count = 0;
const fresh = (): string => `i${(count += 1)}`;

beforeAll(async () => {
  live = await openLive();
});

afterAll(async () => {
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

const missingText = (max: number): string => `missing; 1 to ${max} characters are accepted`;
const notWhole = (value: number | bigint, max: number): string =>
  `${value} is not a whole number from 0 to ${max}`;
const OPERATIONS = "chat, completion, embedding, image, audio, rerank, tool, moderation";
const OUTCOMES = "ok, error, cancelled, truncated, filtered";
const ATTRIBUTION = wireIntent("").attribution;

const lawfulReport = async (change: WireReport = {}): Promise<WireReport> => {
  const { id } = accepted(await live.decide(wireIntent(fresh())));
  return {
    decisionId: id,
    final: true,
    outcome: 1,
    usage: { input: 1_000, output: 10 },
    ...change,
  };
};

describe("a mandatory field is missing", () => {
  const INTENT: readonly (readonly [string, WireIntent, string])[] = [
    ["id", { id: "" }, missingText(128)],
    ["attribution.tenant", { attribution: { ...ATTRIBUTION, tenant: "" } }, missingText(128)],
    ["attribution.tenant", { attribution: undefined }, missingText(128)],
    ["operation", { operation: 0 }, `missing; accepted are ${OPERATIONS}`],
    ["model", { model: "" }, missingText(128)],
    [
      "tokens.input",
      { tokens: undefined },
      "missing; a whole number from 0 to 100000000 is accepted",
    ],
    ["run.id", { run: { step: 1 } }, missingText(128)],
    ["run.id", { run: { depth: 1 } }, missingText(128)],
    ["run.id", { run: { fingerprint: "f" } }, missingText(128)],
    ["run.id", { run: { parent: "p" } }, missingText(128)],
    ["data.classes[1]", { data: { classes: ["pii", ""] } }, missingText(64)],
  ];
  test.each(INTENT)("intent: %s", async (field, change, description) => {
    const intent = wireIntent(fresh(), change);
    await expectRefused(live, () => live.decide(intent), invalid("intent", field, description));
  });

  test.each([
    ["no bytes at all", Buffer.alloc(0)],
    ["an intent of no bytes", sized(1, "")],
  ])("%s: every mandatory field is named in one error", async (_name, bytes) => {
    await expectRefused(live, () => live.send("Decide", bytes), {
      ...invalid("intent", "id", missingText(128)),
      message: `intent refused: id: ${missingText(128)} (and 4 more)`,
      violations: [
        { description: missingText(128), field: "id" },
        { description: missingText(128), field: "model" },
        { description: `missing; accepted are ${OPERATIONS}`, field: "operation" },
        { description: missingText(128), field: "attribution.tenant" },
        {
          description: "missing; a whole number from 0 to 100000000 is accepted",
          field: "tokens.input",
        },
      ],
    });
  });

  test("report: decision_id, in an empty request and in an empty report", async () => {
    const want = invalid("report", "decision_id", missingText(128));
    await expectRefused(live, () => live.send("Report", Buffer.alloc(0)), want);
    await expectRefused(live, () => live.send("Report", sized(1, "")), want);
  });

  test("report: outcome, once the report is final", async () => {
    const report = await lawfulReport({ outcome: 0 });
    await expectRefused(
      live,
      () => live.report(report),
      invalid("report", "outcome", `missing; accepted are ${OUTCOMES}`),
    );
    expect(accepted(await live.report({ ...report, final: false })).status).toBe(1);
    expect(accepted(await live.report({ ...report, outcome: 1, sequence: 2 })).status).toBe(2);
  });

  test("cancel: decision_id", async () => {
    await expectRefused(
      live,
      () => live.cancel(""),
      invalid("cancel", "decision_id", missingText(128)),
    );
  });

  test("what only the policy asks for is a decision, not an error", async () => {
    const decision = accepted(
      await live.decide(wireIntent(fresh(), { attribution: { tenant: "acme" } })),
    );
    expect(decision).toMatchObject({ effect: 4, model: "" });
    expect(decision.reasons.map(({ code }) => code)).toContain("attribution.missing");
  });
});

type Counts = readonly (readonly [string, number, (value: number | bigint) => WireIntent])[];
const INTENT_COUNTS: Counts = [
  ["tokens.input", LIMITS.tokens, (input) => ({ tokens: { input } })],
  ["tokens.input_p95", LIMITS.tokens, (inputP95) => ({ tokens: { input: 1, inputP95 } })],
  ["tokens.output_max", LIMITS.tokens, (outputMax) => ({ tokens: { input: 1, outputMax } })],
  ["tokens.n", LIMITS.answers, (n) => ({ tokens: { input: 1, n } })],
  ["tokens.cache_read", LIMITS.tokens, (cacheRead) => ({ tokens: { cacheRead, input: 1 } })],
  ["tokens.cache_write", LIMITS.tokens, (cacheWrite) => ({ tokens: { cacheWrite, input: 1 } })],
  ["run.step", LIMITS.runStep, (step) => ({ run: { id: "r", step } })],
  ["run.depth", LIMITS.runDepth, (depth) => ({ run: { depth, id: "r" } })],
  ["attempt.number", LIMITS.attempt, (number) => ({ attempt: { number } })],
  ["deadline_ms", LIMITS.deadlineMs, (deadlineMs) => ({ deadlineMs })],
];
const REPORT_COUNTS: readonly (readonly [
  string,
  number,
  (value: number | bigint) => WireReport,
])[] = [
  ["sequence", LIMITS.reportSequence, (sequence) => ({ sequence })],
  ["usage.input", LIMITS.reportedTokens, (input) => ({ usage: { input } })],
  ["usage.cache_read", LIMITS.reportedTokens, (cacheRead) => ({ usage: { cacheRead } })],
  ["usage.cache_write_5m", LIMITS.reportedTokens, (value) => ({ usage: { cacheWrite_5m: value } })],
  ["usage.cache_write_1h", LIMITS.reportedTokens, (value) => ({ usage: { cacheWrite_1h: value } })],
  ["usage.output", LIMITS.reportedTokens, (output) => ({ usage: { output } })],
  ["usage.reasoning", LIMITS.reportedTokens, (reasoning) => ({ usage: { reasoning } })],
];
const BAD_COUNTS = [-1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n)];

describe("a count is negative or beyond 2^53: named with its exact value", () => {
  test.each(INTENT_COUNTS)("intent: %s", async (field, max, change) => {
    for (const value of BAD_COUNTS) {
      const intent = wireIntent(fresh(), change(value));
      await expectRefused(
        live,
        () => live.decide(intent),
        invalid("intent", field, notWhole(value, max)),
      );
    }
  });

  test.each(REPORT_COUNTS)("report: %s", async (field, max, change) => {
    const report = await lawfulReport();
    for (const value of BAD_COUNTS) {
      const wrong = { ...report, ...change(value) };
      await expectRefused(
        live,
        () => live.report(wrong),
        invalid("report", field, notWhole(value, max)),
      );
    }
    expect(accepted(await live.report(report)).status).toBe(2);
  });

  test("parts that exceed their whole", async () => {
    const below = wireIntent(fresh(), { tokens: { input: 10, inputP95: 9 } });
    await expectRefused(
      live,
      () => live.decide(below),
      invalid("intent", "tokens.input_p95", "9 is below tokens.input, 10"),
    );
    const cached = wireIntent(fresh(), { tokens: { cacheRead: 6, cacheWrite: 5, input: 10 } });
    const exceeds = "cache reads and writes, 11, exceed tokens.input, 10";
    await expectRefused(
      live,
      () => live.decide(cached),
      invalid("intent", "tokens.cache_read", exceeds),
    );
    const report = await lawfulReport();
    const reads = {
      ...report,
      usage: { cacheRead: 5, cacheWrite_1h: 5, cacheWrite_5m: 5, input: 14 },
    };
    const belowCache = "14 is below its cache reads and writes, 15";
    await expectRefused(
      live,
      () => live.report(reads),
      invalid("report", "usage.input", belowCache),
    );
    const reasoning = { ...report, usage: { output: 1, reasoning: 2 } };
    await expectRefused(
      live,
      () => live.report(reasoning),
      invalid("report", "usage.output", "1 is below its reasoning, 2"),
    );
  });
});

describe("an enum value is unknown", () => {
  const INTENT: readonly (readonly [string, (value: number) => WireIntent, string])[] = [
    ["operation", (operation) => ({ operation }), OPERATIONS],
    ["service_tier", (serviceTier) => ({ serviceTier }), "standard, batch, flex, priority"],
    [
      "data.sensitivity",
      (sensitivity) => ({ data: { sensitivity } }),
      "unspecified, public, internal, confidential, restricted",
    ],
  ];
  const VALUES = [9, 99, -1, 2 ** 31 - 1];

  test.each(INTENT)("intent: %s", async (field, change, words) => {
    for (const value of VALUES) {
      const intent = wireIntent(fresh(), change(value));
      const want = invalid("intent", field, `${value} is not accepted; accepted are ${words}`);
      await expectRefused(live, () => live.decide(intent), want);
    }
  });

  const REPORT: readonly (readonly [string, (value: number) => WireReport, string])[] = [
    ["outcome", (outcome) => ({ outcome }), OUTCOMES],
    ["basis", (basis) => ({ basis }), "provider, estimated"],
  ];
  test.each(REPORT)("report: %s", async (field, change, words) => {
    const report = await lawfulReport();
    for (const value of VALUES) {
      const want = invalid("report", field, `${value} is not accepted; accepted are ${words}`);
      await expectRefused(live, () => live.report({ ...report, ...change(value) }), want);
    }
  });

  test("report: service_tier, which is a word", async () => {
    const report = await lawfulReport({ serviceTier: "gold" });
    const want = invalid(
      "report",
      "service_tier",
      '"gold" is not accepted; accepted are standard, batch, flex, priority',
    );
    await expectRefused(live, () => live.report(report), want);
  });

  test("model: not of the form provider:model", async () => {
    for (const model of ["gpt-5-mini", ":gpt-5-mini", "openai:"]) {
      const want = invalid("intent", "model", `"${model}" is not of the form "provider:model"`);
      await expectRefused(live, () => live.decide(wireIntent(fresh(), { model })), want);
    }
  });
});

describe("a string or a list is too long", () => {
  const long = "x".repeat(10 * 1024 * 1024);
  const LONG: readonly (readonly [string, WireIntent])[] = [
    ["id", { id: long }],
    ["model", { model: `openai:${long}` }],
    ["attribution.user", { attribution: { ...ATTRIBUTION, user: long } }],
    ["data.classes", { data: { classes: [long] } }],
    ["a label", { labels: { k: long } }],
    ["a label's key", { labels: { [long]: "v" } }],
  ];
  // The limit of the message comes first, and grpc-js refuses it before Weir sees it: no ErrorInfo.
  const tooLarge = (bytes: number): Refusal => ({
    code: "RESOURCE_EXHAUSTED",
    message: `Received message larger than max (${bytes} vs ${LIMITS.messageBytes})`,
    reason: "",
    violations: [],
  });

  test.each(LONG)("10 MB in %s", async (_name, change) => {
    const bytes = encodeDecide({ intent: wireIntent(fresh(), change) });
    const before = await live.standing();
    expect(refused(await live.send("Decide", bytes))).toEqual(tooLarge(bytes.length));
    expect(await live.standing()).toEqual(before);
    await live.proveItServes();
  });

  test("10 MB in a report, and our own client says which message it was", async () => {
    const bytes = encodeReport({ report: { decisionId: long } });
    expect(refused(await live.send("Report", bytes))).toEqual(tooLarge(bytes.length));
    const answer = live.client.decide(wireIntent(long));
    await expect(answer).rejects.toMatchObject({
      code: "intent.invalid",
      message: expect.stringContaining("larger than max"),
    });
    await live.proveItServes();
  });

  test("10 MB that compress to a few KB are refused by what they unpack to", async () => {
    const address = `127.0.0.1:${live.service.grpc.port}`;
    const client = new Client(address, credentials.createInsecure(), {
      "grpc.default_compression_algorithm": compressionAlgorithms.gzip,
    });
    const same = (value: Buffer): Buffer => value;
    const bytes = encodeDecide({ intent: wireIntent(long) });
    const code = await new Promise((resolve) => {
      client.makeUnaryRequest("/weir.v1.DecisionService/Decide", same, same, bytes, (error) =>
        resolve(error?.code),
      );
    });
    client.close();
    expect(code).toBe(8);
    await live.proveItServes();
  });

  test("200,000 characters that the message still carries are named by their length", async () => {
    const intent = wireIntent("x".repeat(200_000));
    await expectRefused(
      live,
      () => live.decide(intent),
      invalid("intent", "id", "200000 characters, at most 128 are accepted"),
    );
  });

  test("10,000 labels", async () => {
    const labels = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`label-${index}`, "v"]),
    );
    const want = invalid("intent", "labels", "10000 labels, at most 32 are accepted");
    await expectRefused(live, () => live.decide(wireIntent(fresh(), { labels })), want);
  });

  test("more wrong fields than trailers hold: the first are named, the rest counted", async () => {
    const classes = Array.from({ length: 16 }, () => "x".repeat(65));
    const labels = Object.fromEntries(
      Array.from({ length: 32 }, (_, index) => [`${index} ${"y".repeat(50)}`, "v"]),
    );
    const got = refused(
      await live.decide(wireIntent("", { data: { classes }, labels, model: "" })),
    );
    expect(got).toMatchObject({ code: "INVALID_ARGUMENT", reason: "intent.invalid" });
    expect(got.message).toBe(
      "intent refused: data.classes[0]: 65 characters, at most 64 are accepted (and 49 more)",
    );
    expect(got.violations.length).toBeGreaterThan(16);
    expect(got.violations.length).toBeLessThan(50);
  });
});

const encodeUsageReport = encoder(weir.v1.UsageReport);

describe("control characters and malformed text", () => {
  const shown = (text: string): string => `${text} holds control characters; none are accepted`;
  const CASES: readonly (readonly [string, WireIntent, string])[] = [
    ["id", { id: "a\u0000b" }, shown('"a\\u0000b"')],
    ["id", { id: "\n" }, shown('"\\n"')],
    ["model", { model: "openai:\r\nx" }, shown('"openai:\\r\\nx"')],
    ["task", { task: "\u001b[31m" }, shown('"\\u001b[31m"')],
    ["release", { release: "\u009b31m" }, shown('"\\u009b31m"')],
    [
      "attribution.tenant",
      { attribution: { ...ATTRIBUTION, tenant: "ac\u007fme" } },
      shown('"ac\\u007fme"'),
    ],
    ["attribution.user", { attribution: { ...ATTRIBUTION, user: "\t" } }, shown('"\\t"')],
    ["data.residency", { data: { residency: "e\u0085u" } }, shown('"e\\u0085u"')],
    ["data.classes[0]", { data: { classes: ["\u0001"] } }, shown('"\\u0001"')],
    ["labels.k", { labels: { k: "\b" } }, shown('"\\b"')],
  ];
  test.each(CASES)("intent: %s", async (field, change, description) => {
    const got = refused(await live.decide(wireIntent(fresh(), change)));
    expect(got.violations).toContainEqual({ description, field });
    await expectRefused(live, () => live.decide(wireIntent(fresh(), change)), got);
  });

  const KEY_RULE =
    "is not accepted; a key starts with a letter or _ and holds at most 63 letters, digits and _ . / -";
  test.each([
    ["", '""'],
    ["9", '"9"'],
    ["a b", '"a b"'],
    ["a\u0000", '"a\\u0000"'],
    ["ключ", '"ключ"'],
  ])("a label's key %j", async (key, named) => {
    const intent = wireIntent(fresh(), { labels: { [key]: "v" } });
    await expectRefused(
      live,
      () => live.decide(intent),
      invalid("intent", "labels", `key ${named} ${KEY_RULE}`),
    );
  });

  test("names that objects have by themselves are labels like any other", async () => {
    const entry = (key: string): Buffer => sized(13, Buffer.concat([sized(1, key), sized(2, "v")]));
    const bytes = intentWith(fresh(), entry("__proto__"), entry("constructor"), entry("toString"));
    expect(Buffer.isBuffer(await live.send("Decide", bytes))).toBe(true);
    expect(({} as { v?: unknown }).v).toBeUndefined();
    await live.proveItServes();
  });

  test("a decision id with control characters", async () => {
    const want = shown('"no\\npe"');
    await expectRefused(live, () => live.cancel("no\npe"), invalid("cancel", "decision_id", want));
    const report = await lawfulReport({ decisionId: "no\npe" });
    await expectRefused(live, () => live.report(report), invalid("report", "decision_id", want));
  });

  test("a report's bytes after its message are read as part of it", async () => {
    const bytes = sized(
      1,
      Buffer.concat([encodeUsageReport(await lawfulReport()), sized(7, "a\u0000")]),
    );
    await expectRefused(
      live,
      () => live.send("Report", bytes),
      invalid("report", "model", shown('"a\\u0000"')),
    );
  });
});
