import { afterAll, beforeAll } from "vitest";

import { type RedisUnderTest, startRedisUnderTest } from "./redis-store.ts";
import { runStateStoreConformance } from "./state-store.ts";

let redis: RedisUnderTest;
beforeAll(async () => {
  redis = await startRedisUnderTest();
});
afterAll(() => redis.close());

runStateStoreConformance({ create: () => redis.create(), name: "Redis" });
