import { Client, credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { WeirError } from "../../engine/errors.ts";
import type { Operator } from "../../engine/operator/operator.ts";
import { type AdminClient, connectAdmin } from "./admin-client.ts";
import { ADMIN_SERVICE } from "./definition.ts";
import { type Asked, CHANGE, fakeOperator, GRANT } from "./testing/fake-operator.ts";
import { fakeWeir } from "./testing/fake-weir.ts";
import { started } from "./testing/loopback.ts";

async function served(
  answers: Partial<Operator> = {},
  options: Parameters<typeof started>[1] = {},
): Promise<{ client: AdminClient; asked: Asked[]; address: string }> {
  const { asked, operator } = fakeOperator(answers);
  const { address } = await started(fakeWeir(), { operator, ...options });
  const client = connectAdmin({ address, timeoutMs: 5_000 });
  onTestFinished(() => client.close());
  return { address, asked, client };
}

test("each method hands over what it was sent, with who sent it", async () => {
  const { asked, client } = await served();
  const freeze = { reason: "why", scope: "team:search", tenant: "acme" };
  const { isKnown, ...rest } = CHANGE;
  const change = { ...rest, unknown: !isKnown };
  expect(await client.freeze(freeze)).toEqual(change);
  expect(await client.unfreeze(freeze)).toEqual(change);
  await client.listFreezes("acme");
  await client.listBudgets({ budget: "day", tenant: "acme" });
  const grant = {
    amount: 2n ** 62n,
    budget: "day",
    reason: "r",
    tenant: "acme",
    unit: 3,
    untilMs: 7,
  };
  await client.grantBudget(grant);
  await client.getVelocity({ tenant: "acme", top: 3 });
  const principal = "tester";
  expect(asked).toEqual([
    { method: "freeze", principal, raw: freeze },
    { method: "unfreeze", principal, raw: freeze },
    { method: "freezes", principal, raw: { tenant: "acme" } },
    { method: "budgets", principal, raw: { budget: "day", tenant: "acme" } },
    // What no number holds is handed over as it is, for the engine to refuse.
    { method: "grant", principal, raw: { ...grant, id: "", unit: "calls" } },
    { method: "velocity", principal, raw: { tenant: "acme", top: 3 } },
  ]);
});

test("freezes, budgets, grants and velocity come back whole", async () => {
  const budget = {
    budget: "day",
    endsAtMs: 2,
    granted: 3,
    held: 4,
    limit: Number.MAX_SAFE_INTEGER,
    mode: "hard",
    per: { user: "a" },
    remaining: -5,
    settled: 6,
    startsAtMs: 1,
    unit: "usd",
    usedPercent: 120,
    window: { kind: "run" },
  } as const;
  const window = {
    armed: true,
    attempts: 9,
    baselineReady: true,
    calls: 3,
    hot: true,
    limit: 2_999,
    name: "1m",
    percent: 250,
    rate: 3_001,
    retries: 0,
    retryAfterMs: 4_000,
  } as const;
  const { client } = await served({
    budgets: async () => ({
      budgets: [budget],
      definitions: [
        {
          id: "day",
          limit: 7,
          match: { model: ["a:b", "c:d"], team: "search" },
          mode: "soft",
          per: ["user"],
          tenant: "acme",
          unit: "tokens",
          window: { kind: "calendar", unit: "day", zone: "Europe/Berlin" },
        },
      ],
      grants: [GRANT],
      nowMs: 8,
      total: 1_001,
    }),
    freezes: async () => [{ reason: "r", scope: "*", tenant: "*" }],
    velocity: async () => ({
      nowMs: 8,
      scopes: [
        {
          callCost: {
            armed: true,
            excess: 7_001,
            hot: true,
            limit: 9_999,
            retryAfterMs: 5,
            usual: 1_000,
          },
          inFlight: 2,
          kind: "team",
          scope: "team:search",
          windows: [window, { ...window, limit: Number.MAX_SAFE_INTEGER, name: "1h" }],
        },
      ],
    }),
  });
  expect(await client.listFreezes("")).toMatchObject([
    { actor: "", atMs: 0, reason: "r", scope: "*", tenant: "*" },
  ]);
  const { mode: _mode, window: _window, ...instance } = budget;
  expect(await client.listBudgets({})).toMatchObject({
    definitions: [
      {
        hard: false,
        id: "day",
        limit: 7,
        match: [
          { field: "model", values: ["a:b", "c:d"] },
          { field: "team", values: ["search"] },
        ],
        per: ["user"],
        unit: 2,
        window: "day in Europe/Berlin",
      },
    ],
    grants: [{ ...GRANT, amount: 9_000_000_000_000_000, unit: 1 }],
    instances: [{ ...instance, unit: 1 }],
    nowMs: 8,
    total: 1_001,
  });
  const wire = {
    armed: true,
    baselinePercent: 250,
    calls: 3,
    hot: true,
    limitMicroUsd: 2,
    limitPercent: 100,
    rateMicroUsd: 4,
    retryAfterMs: 4_000,
    window: "1m",
  };
  expect(await client.getVelocity({})).toMatchObject({
    nowMs: 8,
    scopes: [
      {
        callCost: {
          armed: true,
          excessMicroUsd: 8,
          hot: true,
          limitMicroUsd: 9,
          limitPercent: 70,
          retryAfterMs: 5,
          usualMicroUsd: 1,
        },
        inFlight: 2,
        scope: "team:search",
        windows: [wire, { ...wire, limitMicroUsd: -1, limitPercent: 0, window: "1h" }],
      },
    ],
  });
  expect((await client.grantBudget({})).grant?.amount).toBe(9_000_000_000_000_000);
});

test("a refusal comes with its code and fields", async () => {
  const violations = [{ description: "of no known kind", field: "scope" }];
  const { client } = await served({
    freeze: async () => {
      throw new WeirError("admin.invalid", "freeze refused: scope", { violations });
    },
    grant: async () => {
      throw new WeirError("auth.denied", "principal x is no operator of tenant acme");
    },
  });
  await expect(client.freeze({})).rejects.toMatchObject({
    cause: { code: status.INVALID_ARGUMENT },
    code: "admin.invalid",
    violations,
  });
  await expect(client.grantBudget({})).rejects.toMatchObject({
    cause: { code: status.PERMISSION_DENIED },
    code: "auth.denied",
  });
});

test("nobody gets in without proof, and malformed bytes are refused", async () => {
  const { client, asked } = await served(
    {},
    {
      authenticator: {
        authenticate: () => {
          throw new WeirError("auth.unauthenticated", "no key");
        },
      },
    },
  );
  await expect(client.listFreezes("")).rejects.toMatchObject({ code: "auth.unauthenticated" });
  expect(asked).toEqual([]);
  const { address, asked: others } = await served();
  const raw = new Client(address, credentials.createInsecure());
  onTestFinished(() => raw.close());
  const same = (value: Buffer): Buffer => value;
  const answer = new Promise((resolve) => {
    const bytes = Buffer.from([0x0a, 0x7f, 0x41]);
    const path = `/${ADMIN_SERVICE}/Freeze`;
    raw.makeUnaryRequest(path, same, same, bytes, (error) => resolve(error));
  });
  expect(await answer).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining("the message is not a valid protobuf") as string,
  });
  expect(others).toEqual([]);
});

test("a server without an operator's side does not serve it", async () => {
  const { address } = await started(fakeWeir());
  const client = connectAdmin({ address });
  onTestFinished(() => client.close());
  await expect(client.listFreezes("")).rejects.toMatchObject({
    cause: { code: status.UNIMPLEMENTED },
  });
});
