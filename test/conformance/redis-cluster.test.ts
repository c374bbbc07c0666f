import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { START_MS } from "../support/engine.ts";
import { admitted, reserved } from "./checks.ts";
import { type RedisUnderTest, startRedisUnderTest } from "./redis-store.ts";
import { decisionOf, holdOf, idOf, reportOf, requestOf, scopeOf, TTL_MS } from "./requests.ts";
import { runStateStoreConformance } from "./state-store.ts";

let redis: RedisUnderTest;
beforeAll(async () => {
  redis = await startRedisUnderTest({ cluster: true });
});
afterAll(() => redis.close());

runStateStoreConformance({ create: () => redis.create(), name: "Redis as a cluster" });

describe("keys", () => {
  test("a script touches no key but those it was given, and no key holds a name", async () => {
    const store = await redis.create();
    const monitor = await redis.server.connect().monitor();
    let given = new Set<string>();
    const strange: string[] = [];
    const used = new Set<string>();
    monitor.on("monitor", (_time: string, words: string[], source: string) => {
      const [command = "", ...rest] = words;
      if (/^eval(sha)?$/i.test(command)) given = new Set(rest.slice(2, 2 + Number(rest[1])));
      if (source !== "lua") return;
      used.add(rest[0] ?? "");
      if (!given.has(rest[0] ?? "")) strange.push(words.join(" "));
    });
    await store.freeze("acme", { reason: "r", scope: "team:other" });
    const change = {
      holds: [
        holdOf("acme|day", 40n, { onExpiryAmount: 4n }),
        holdOf("acme|roll|9", 4n, { rolling: { base: "acme|roll|", first: 1, last: 9 } }),
      ],
      run: { fingerprint: "f", id: "secret-run" },
      scopes: [scopeOf("user:secret-user"), scopeOf("team:search")],
    };
    for (let number = 1; number <= 6; number += 1) await admitted(store, number, change);
    await reserved(store, 7, change);
    await store.adjust({ ...requestOf(7, change), scopes: [scopeOf("model:x")] });
    await store.conclude(idOf(7), decisionOf(7));
    await store.settle(reportOf(1, { final: false }));
    await store.settle(reportOf(1, { sequence: 2 }));
    await store.release(idOf(2), START_MS);
    await store.abandon(idOf(3), START_MS);
    await store.expire(START_MS + TTL_MS + 2_000, 10);
    await redis.server.connect().ping();
    monitor.disconnect();
    expect(strange).toEqual([]);
    expect(used.size).toBeGreaterThan(10);
    for (const key of used) expect(key).toMatch(/^weir:2:\{[0-9a-f]{8}\}:[a-z]+(:[0-9a-fd]+)?$/);
  });
});
