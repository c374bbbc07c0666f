import type { Freeze, Grant, TenantFreeze } from "../../engine/reservation/reservation.ts";
import { answered, type RedisClient } from "./connection.ts";
import {
  GRANTS,
  PLATFORM_FREEZES,
  TENANT_TAGS,
  tagKeys,
  tenantFields,
  tenantKeys,
} from "./keys.ts";
import { decodeFreeze } from "./reply.ts";
import { Script, ScriptCall } from "./scripts.ts";

const REREAD_MS = 1_000;
const DAY_MS = 86_400_000;

/** What operators set: freezes of a tenant beside its state, those of the platform and grants apart. */
export class Controls {
  readonly #client: RedisClient;
  readonly #freeze = new Script("freeze");
  #platform: ReadonlyMap<string, Freeze> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** Freezes of the whole platform among these scopes; read at most once a second. */
  async frozen(scopes: readonly string[]): Promise<readonly Freeze[]> {
    if (performance.now() - this.#readAtMs > REREAD_MS) {
      this.#reading ??= this.#read().finally(() => (this.#reading = null));
      await this.#reading;
    }
    if (this.#platform.size === 0) return NONE;
    return scopes.flatMap((scope) => this.#platform.get(scope) ?? []);
  }

  async freeze(tenant: string, freeze: Freeze): Promise<void> {
    const { scope } = freeze;
    const text = JSON.stringify({ ...freeze, tenant });
    if (tenant === "*") await answered(this.#client.hset(PLATFORM_FREEZES, scope, text));
    else await this.#set(tenant, scope, text);
    this.#readAtMs = Number.NEGATIVE_INFINITY;
  }

  async unfreeze(tenant: string, scope: string): Promise<void> {
    if (tenant === "*") await answered(this.#client.hdel(PLATFORM_FREEZES, scope));
    else await this.#set(tenant, scope, "");
    this.#readAtMs = Number.NEGATIVE_INFINITY;
  }

  /** "" lifts it. */
  async #set(tenant: string, scope: string, text: string): Promise<void> {
    const keys = tenantKeys(tenant);
    const fields = tenantFields(tenant);
    const call = new ScriptCall()
      .key(keys.state, keys.freezes)
      .value(fields.freezes, scope, text, fields.freeze(scope));
    await this.#freeze.run(this.#client, call);
  }

  async freezes(): Promise<readonly TenantFreeze[]> {
    const tags = await answered(this.#client.smembers(TENANT_TAGS));
    const keys = [PLATFORM_FREEZES, ...tags.map((tag) => tagKeys(tag).freezes)];
    const found = await answered(Promise.all(keys.map((key) => this.#client.hgetall(key))));
    return found.flatMap((texts) =>
      Object.values(texts).map((text) => JSON.parse(text) as TenantFreeze),
    );
  }

  async grant(grant: Grant): Promise<void> {
    const { amount, budget, id, tenant } = grant;
    const kept = JSON.stringify({ ...grant, amount: String(amount) });
    await answered(this.#client.hset(GRANTS, JSON.stringify([tenant, budget, id]), kept));
  }

  async grants(): Promise<readonly Grant[]> {
    const texts = await answered(this.#client.hgetall(GRANTS));
    return Object.values(texts).map((text) => {
      const kept = JSON.parse(text) as Omit<Grant, "amount"> & { readonly amount: string };
      return { ...kept, amount: BigInt(kept.amount) };
    });
  }

  /** Lets go of grants that ended a day before. */
  async forgetGrants(nowMs: number): Promise<void> {
    for (const { budget, id, tenant, untilMs } of await this.grants()) {
      if (untilMs > nowMs - DAY_MS) continue;
      await answered(this.#client.hdel(GRANTS, JSON.stringify([tenant, budget, id])));
    }
  }

  async #read(): Promise<void> {
    const startMs = performance.now();
    const texts = await answered(this.#client.hgetall(PLATFORM_FREEZES));
    const freezes = Object.values(texts).map(decodeFreeze);
    this.#platform = new Map(freezes.map((freeze) => [freeze.scope, freeze]));
    this.#readAtMs = startMs;
  }
}

const NONE: readonly Freeze[] = Object.freeze([]);
