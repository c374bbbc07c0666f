import { join } from "node:path";

import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { bundleFiles, readArchive } from "../../adapters/bundles/archive.ts";
import { configuredBundles } from "../../adapters/cli/policy/cases/configured-bundle.ts";
import { openCaseEngine } from "../../adapters/cli/policy/cases/memory-host.ts";
import { readCases } from "../../adapters/cli/policy/cases/policy-case.ts";
import { runCase } from "../../adapters/cli/policy/cases/run-case.ts";
import { type CaseOutcome, testCases } from "../../adapters/cli/policy/cases/test-cases.ts";
import { DECISION } from "../../adapters/opa/build-bundle.ts";
import { evaluateConfiguredWithOpa } from "../../adapters/opa/native.ts";
import { openConnection } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import type { RedisClient } from "../../adapters/redis/connection.ts";
import { SHIPPED_BUNDLE } from "../support/engine.ts";
import { provideOpa } from "../support/opa.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { overGrpc } from "./over-grpc.ts";

// Goal: every case of this folder comes out as wanted wherever it is told: to an engine in memory, to a
// service over gRPC with its state in Redis, and, for what the policy was shown, to OPA itself.

const ROOT = join(import.meta.dirname, "../..");
const cases = readCases(import.meta.dirname);
const files = bundleFiles(readArchive(SHIPPED_BUNDLE));
const bundleOf = configuredBundles(files);

test("there is a case for every concern", () => {
  const concerns = new Set(
    cases.flatMap((one) => one.case.want.reasons.map((code) => code.split(".")[0])),
  );
  const shipped = Object.keys(bundleOf(undefined).rules).map((code) => code.split(".")[0]);
  // What a caller sends is refused before a policy sees it, so no case meets the shape of an input.
  expect([...new Set(shipped)].filter((name) => name !== "shape" && !concerns.has(name))).toEqual(
    [],
  );
  expect(cases.length).toBeGreaterThanOrEqual(30);
});

describe("in memory, and in OPA for what the policy was shown", () => {
  const outcomes = new Map<string, CaseOutcome>();
  let asked = 0;

  beforeAll(async () => {
    const tested = await testCases(cases, files, (inputs) => {
      asked += inputs.length;
      return evaluateConfiguredWithOpa(provideOpa(), ROOT, DECISION, inputs);
    });
    for (const outcome of tested) outcomes.set(outcome.file, outcome);
  }, 600_000);

  test.each(cases)("$file: $case.description", ({ file }) => {
    expect(outcomes.get(file)).toMatchObject({ difference: null, faults: [] });
  });

  test("where OPA says something else, the case is not as wanted", async () => {
    const [outcome] = await testCases(cases.slice(0, 1), files, (inputs) =>
      Promise.resolve(inputs.map(() => ({ value: null }))),
    );
    expect(outcome).toMatchObject({ difference: expect.stringContaining("OPA says null, WASM {") });
  });

  test("OPA was asked about every case", () => {
    expect(asked).toBeGreaterThanOrEqual(cases.length);
  });
});

describe("over gRPC, with Redis", () => {
  let redis: TestRedis;
  let client: RedisClient;
  let admin: Redis;

  beforeAll(async () => {
    redis = await startTestRedis();
    client = await openConnection(redis.address, 20_000);
    admin = redis.connect();
  });

  afterAll(async () => {
    client.disconnect();
    await redis.close();
  });

  test.each(cases)("$file", async ({ case: one }) => {
    await admin.flushall();
    const engine = openCaseEngine(
      one.given,
      bundleOf(one.given.config),
      new RedisStateStore(client),
    );
    const host = await overGrpc(engine);
    try {
      expect((await runCase(one, host)).faults).toEqual([]);
    } finally {
      await host.close();
    }
  });
});
