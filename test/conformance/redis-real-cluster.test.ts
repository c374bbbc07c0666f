import { afterAll, beforeAll } from "vitest";

import { openConnection, type RedisClient } from "../../adapters/redis/connection.ts";
import { RedisStateStore } from "../../adapters/redis/state-store.ts";
import { addressOf } from "../support/redis.ts";
import { type RedisFleet, startRedisCluster } from "../support/redis-fleet.ts";
import { runStateStoreConformance } from "./state-store.ts";

let cluster: RedisFleet;
let client: RedisClient;
beforeAll(async () => {
  cluster = await startRedisCluster();
  client = await openConnection(addressOf(cluster.url), 20_000);
});
afterAll(async () => {
  client?.disconnect();
  await cluster?.close();
});

runStateStoreConformance({
  create: async () => {
    await cluster.flush();
    return new RedisStateStore(client, { count: 1, timeoutMs: 15_000 });
  },
  name: "a Redis cluster of three masters with replicas, each change on one of them",
});
