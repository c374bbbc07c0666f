import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { MemoryStateStore } from "../../adapters/memory/state-store.ts";
import type { StateStore } from "../../engine/ports.ts";
import type { SettleRequest } from "../../engine/reservation/lifecycle.ts";
import type { Hold, VelocityRequest } from "../../engine/reservation/reservation.ts";
import { START_MS } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { type RedisUnderTest, startRedisUnderTest } from "./redis-store.ts";
import {
  CALL_COST,
  decisionOf,
  holdOf,
  idOf,
  reportOf,
  requestOf,
  scopeOf,
  WINDOWS,
} from "./requests.ts";

type Operation = (store: StateStore) => Promise<unknown>;

/** A stream of operations as an engine, its callers and its clock might make them. */
class Operations {
  readonly #random: Random;
  #nowMs = START_MS;
  #count = 0;
  readonly #seconds = new Set<number>();
  readonly #reports = new Map<number, SettleRequest>();
  #frozen = "";
  /** The oldest intent that is named again, and since when: memory forgets by this clock, Redis by its own. */
  #oldest = 1;
  #oldestMs = START_MS;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): { readonly name: string; readonly run: Operation } {
    const random = this.#random;
    const roll = random.next();
    if (roll < 0.36 || this.#count === 0) return { name: "reserve", run: this.#reserve() };
    if (roll < 0.52) return { name: "conclude", run: this.#conclude() };
    if (roll < 0.6) return { name: "adjust", run: this.#adjust() };
    if (roll < 0.76) return { name: "settle", run: this.#settle() };
    const number = this.#some();
    const nowMs = this.#nowMs;
    if (roll < 0.82) return { name: "release", run: (store) => store.release(idOf(number), nowMs) };
    if (roll < 0.84) return { name: "abandon", run: (store) => store.abandon(idOf(number), nowMs) };
    if (roll < 0.87) return { name: "expire", run: (store) => expired(store, nowMs) };
    if (roll < 0.89) return { name: "decision", run: (store) => store.decision(idOf(number)) };
    if (roll < 0.9) return this.#freeze();
    if (roll < 0.91) return { name: "velocity", run: (store) => store.velocity(this.#look(nowMs)) };
    const step = random.pick([50, 900, 4_000, 70_000, 4_000_000]);
    this.#nowMs += random.chance(0.8) ? random.int(0, step) : -random.int(0, 3_000);
    if (this.#nowMs - this.#oldestMs > 300_000) {
      this.#oldest = this.#count + 1;
      this.#oldestMs = this.#nowMs;
    }
    return { name: "time", run: () => Promise.resolve(null) };
  }

  #some(): number {
    return this.#random.int(Math.max(this.#oldest, this.#count - 12), this.#count + 1);
  }

  #holds(): Hold[] {
    const random = this.#random;
    const amount = BigInt(random.int(0, 400));
    const onExpiryAmount = random.pick([0n, amount, amount / 2n]);
    const huge = 90_000_000_000_000_000n + BigInt(random.int(0, 9));
    const bucket = Math.floor(this.#nowMs / 60_000);
    const holds = [
      holdOf("acme|day", amount, { limit: 20_000n }),
      holdOf(`acme|user|${random.int(1, 3)}`, amount, { limit: 3_000n, onExpiryAmount }),
      holdOf("acme|soft", amount / 2n, { limit: 90n, mode: "soft", onExpiryAmount }),
      holdOf("acme|calls", 1n, { limit: 150n, unit: "calls" }),
      holdOf("acme|tokens", amount * 3n, { limit: 500n, mode: "soft", unit: "tokens" }),
      holdOf("acme|none", amount, { limit: 0n }),
      holdOf("acme|huge", huge, { limit: 900_000_000_000_000_000n }),
      holdOf(`acme|rolling|${bucket}`, amount, {
        endsAtMs: (bucket + 8) * 60_000,
        limit: 2_000n,
        rolling: { base: "acme|rolling|", first: bucket - 7, last: bucket },
      }),
    ];
    const rare = new Set(["acme|none", "acme|huge"]);
    return holds.filter(({ instance }) => random.chance(rare.has(instance) ? 0.04 : 0.5));
  }

  #scopes() {
    const names = ["tenant:acme", "team:search", "user:a", "user:b", "model:x", "model:y"];
    return names.filter(() => this.#random.chance(0.6)).map(scopeOf);
  }

  #cost(): number {
    const random = this.#random;
    return random.chance(0.02) ? Number.MAX_SAFE_INTEGER : random.int(0, random.pick([40, 9_000]));
  }

  /** In a second of its own: reservations end in the order of their deadlines. */
  #deadline(): number {
    let deadlineMs = this.#nowMs + this.#random.int(500, 90_000);
    while (this.#seconds.has(Math.floor(deadlineMs / 1_000))) deadlineMs += 1_000;
    this.#seconds.add(Math.floor(deadlineMs / 1_000));
    return deadlineMs;
  }

  #reserve(): Operation {
    const random = this.#random;
    const repeated = this.#count > 0 && random.chance(0.2);
    const number = repeated ? this.#some() : (this.#count += 1);
    const fresh = repeated && random.chance(0.5) ? (this.#count += 1) : number;
    const request = requestOf(number, {
      contentDigest: random.chance(0.9) ? `content-${number}` : "other",
      costNanoUsd: this.#cost(),
      deadlineMs: this.#deadline(),
      decisionId: idOf(fresh === number && repeated ? (this.#count += 1) : fresh),
      force: random.chance(0.05),
      holds: this.#holds(),
      isRetry: random.chance(0.2),
      nowMs: this.#nowMs,
      principal: random.pick(["p", "q"]),
      run: random.chance(0.4)
        ? {
            fingerprint: random.pick(["", "f", `g${random.int(1, 400)}`]),
            id: `run-${random.int(1, 3)}`,
            parent: random.pick(["", "run-1", "run-9"]),
          }
        : null,
      scopes: this.#scopes(),
    });
    return (store) => store.reserve(request);
  }

  #look(nowMs: number): VelocityRequest {
    const kinds = ["tenant", "team", "user", "model"].map((kind) => ({
      callCost: CALL_COST,
      kind,
      windows: WINDOWS,
    }));
    return { kinds, nowMs, tenant: "acme", top: 20 };
  }

  #conclude(): Operation {
    const random = this.#random;
    const number = this.#some();
    const effect = random.pick([
      "allow",
      "allow",
      "allow",
      "reroute",
      "block",
      "throttle",
    ] as const);
    const decision = decisionOf(number, {
      decidedAtMs: this.#nowMs,
      effect,
      retryAfterMs: effect === "throttle" ? random.int(1, 3_000) : 0,
    });
    return (store) => store.conclude(idOf(number), decision);
  }

  #adjust(): Operation {
    const request = {
      costNanoUsd: this.#cost(),
      decisionId: idOf(Math.max(this.#oldest, this.#count)),
      freezeScopes: this.#random.pick([[], ["*", "team:search"]]),
      holds: this.#holds(),
      nowMs: this.#nowMs,
      scopes: this.#scopes(),
      tenant: "acme",
    };
    return (store) => store.adjust(request);
  }

  #settle(): Operation {
    const random = this.#random;
    const number = this.#some();
    const earlier = this.#reports.get(number);
    const repeat = earlier !== undefined && random.chance(0.2);
    const report = repeat
      ? earlier
      : reportOf(number, {
          basis: random.chance(0.3) ? "estimated" : "provider",
          chargedNanoUsd: BigInt(random.int(0, random.pick([60, 900]))),
          final: random.chance(0.5),
          nowMs: this.#nowMs,
          sequence: Math.max(1, (earlier?.sequence ?? 0) + random.int(-1, 2)),
          tokens: BigInt(random.int(0, 300)),
        });
    this.#reports.set(number, report);
    return (store) => store.settle(report);
  }

  #freeze(): { readonly name: string; readonly run: Operation } {
    const lifted = this.#frozen;
    this.#frozen = lifted === "" ? (this.#random.chance(0.1) ? "*" : "acme") : "";
    const tenant = lifted || this.#frozen;
    const name = tenant === "*" ? PLATFORM_FREEZE : "freeze";
    if (lifted !== "") return { name, run: (store) => store.unfreeze(tenant, "team:search") };
    return { name, run: (store) => store.freeze(tenant, { reason: "test", scope: "team:search" }) };
  }
}

/** Another node may learn of it a second later. */
const PLATFORM_FREEZE = "platform freeze";

/** One by one: figures that saturate, or would fall below zero, depend on the order of the ends. */
async function expired(store: StateStore, nowMs: number): Promise<unknown> {
  const ends = [];
  for (;;) {
    const some = await store.expire(nowMs, 1);
    if (some.length === 0) return ends;
    ends.push(...some);
  }
}

async function replyOf(operation: Operation, store: StateStore): Promise<unknown> {
  try {
    return await operation(store);
  } catch {
    return "refused";
  }
}

async function balancesOf(store: StateStore): Promise<unknown> {
  const balances = await store.balances();
  return balances.toSorted((one, other) => (one.instance < other.instance ? -1 : 1));
}

describe("the same operations through memory and Redis", () => {
  const seed = testSeed("state differential");
  let redis: RedisUnderTest;
  beforeAll(async () => {
    redis = await startRedisUnderTest();
  });
  afterAll(() => redis.close());

  test("3,600 random ones are answered alike, on two nodes, and leave the same balances", async () => {
    for (let history = 0; history < 6; history += 1) {
      const operations = new Operations(new Random(seed + history));
      const memory = new MemoryStateStore();
      const nodes = [await redis.create(), await redis.join()] as const;
      for (let step = 0; step < 600; step += 1) {
        const { name, run } = operations.next();
        const node = nodes[(step * 7 + history) % 3 === 0 ? 1 : 0];
        const wanted = await replyOf(run, memory);
        const told = `seed ${seed}, history ${history}, step ${step}: ${name}`;
        expect(await replyOf(run, node), told).toEqual(wanted);
        if (name === PLATFORM_FREEZE) await sleep(1_100);
        if (step % 50 !== 49) continue;
        expect(await balancesOf(node), told).toEqual(await balancesOf(memory));
        expect(await node.openReservations(), told).toBe(await memory.openReservations());
      }
    }
  });
});
