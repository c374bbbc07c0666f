import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, describe, expect, test } from "vitest";

import { tenantKeys } from "../../adapters/redis/keys.ts";
import { openConnection, type RedisClient } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import { WeirError } from "../../engine/errors.ts";
import { admitted, balanceOf } from "../conformance/checks.ts";
import { holdOf, idOf, requestOf } from "../conformance/requests.ts";
import { addressOf } from "../support/redis.ts";
import { type RedisFleet, startRedisCluster, startRedisSentinel } from "../support/redis-fleet.ts";

// Goal: a master that is killed is replaced, and with `state_replicas` nothing that was answered is lost.
// Method: real servers on loopback; the master that holds the tenant is killed with SIGKILL.

let fleet: RedisFleet | undefined;
let client: RedisClient | undefined;
afterEach(async () => {
  client?.disconnect();
  await fleet?.close();
});

const HOLD = 10n;
const hold = () => [holdOf("acme|day", HOLD, { limit: 1_000_000n })];

/** Reserves until the store takes it again; what failed on the way is counted. */
async function untilReserves(store: RedisStateStore, from: number): Promise<number> {
  for (let number = from; number < from + 2_000; number += 1) {
    try {
      await store.reserve(requestOf(number, { holds: hold() }));
      return number;
    } catch (thrown) {
      expect(WeirError.from(thrown).code).toBe("state.unavailable");
      await sleep(50);
    }
  }
  return expect.unreachable("it never comes back");
}

describe.each([
  ["a cluster", startRedisCluster],
  ["sentinels", startRedisSentinel],
] as const)("a master killed under %s", (_, start) => {
  test("loses nothing that was answered where a replica has each change", async () => {
    fleet = await start();
    client = await openConnection(addressOf(fleet.url), 2_000);
    const replicated = new RedisStateStore(client, { count: 1, timeoutMs: 1_800 });
    const answered = 40;
    for (let number = 1; number <= answered; number += 1) {
      await admitted(replicated, number, { holds: hold() });
    }
    // The replica that takes over may have none of its own.
    const store = new RedisStateStore(client);
    await fleet.killMaster(tenantKeys("acme").state);
    const last = await untilReserves(store, 1_000);
    // Holds of calls that were never answered may be among them; the sweep gives those back.
    await store.expire(requestOf(1).nowMs, 1_000);
    const balance = await balanceOf(store, "acme|day");
    expect(balance).toEqual({ held: HOLD * BigInt(answered + 1), settled: 0n });
    expect(await store.isOpen(idOf(last))).toBe(true);
    expect(await store.isOpen(idOf(answered))).toBe(true);
  });
});
