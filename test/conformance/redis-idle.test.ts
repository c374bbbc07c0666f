import { afterAll, beforeAll, expect, test } from "vitest";

import { START_MS } from "../support/engine.ts";
import { admitted } from "./checks.ts";
import { type RedisUnderTest, startRedisUnderTest } from "./redis-store.ts";
import { holdOf, idOf, reportOf, scopeOf } from "./requests.ts";

let redis: RedisUnderTest;
beforeAll(async () => {
  redis = await startRedisUnderTest();
});
afterAll(() => redis.close());

const DAY_MS = 86_400_000;

/** As a node an hour later: another one has not looked after it meanwhile. */
async function sweep(nowMs: number): Promise<void> {
  await redis.server.connect().del("weir:2:housekept");
  await (await redis.join()).expire(nowMs, 10);
}

test("what was idle for eight days is forgotten, what is held is not", async () => {
  const store = await redis.create();
  const change = (name: string) => ({
    holds: [
      holdOf(`acme|day|${name}`, 40n, { endsAtMs: START_MS + DAY_MS }),
      holdOf(`acme|run|${name}`, 40n),
    ],
    principal: name,
    scopes: [scopeOf(`user:${name}`)],
  });
  await admitted(store, 1, change("gone"));
  await store.settle(reportOf(1));
  await admitted(store, 2, { ...change("held"), deadlineMs: START_MS + 30 * DAY_MS });
  const look = async () => {
    const client = redis.server.connect();
    const [key = ""] = await client.keys("weir:2:{*}:state");
    const scopes = (await client.hkeys(key)).filter((field) => field.startsWith("s:")).toSorted();
    const balances = (await store.balances()).map(({ instance }) => instance).toSorted();
    return { balances, scopes: scopes.map((field) => field.split(":").at(-1)) };
  };
  const everything = await look();
  expect(everything.balances).toHaveLength(4);
  await sweep(START_MS + DAY_MS);
  expect(await look()).toEqual(everything);
  await sweep(START_MS + 10 * DAY_MS);
  expect(await look()).toEqual({
    balances: ["acme|day|held", "acme|run|held"],
    scopes: ["held"],
  });
  expect(await store.isOpen(idOf(2))).toBe(true);
});
