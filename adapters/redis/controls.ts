import type {
  Freeze,
  Grant,
  OperatorControls,
  TenantFreeze,
} from "../../engine/reservation/reservation.ts";
import { answered, duplicate, type RedisClient } from "./connection.ts";
import {
  CONTROLS,
  FREEZE_CHANGES,
  GRANTS,
  PLATFORM_FREEZES,
  TENANT_TAGS,
  tagKeys,
  tenantFields,
  tenantKeys,
} from "./keys.ts";
import { decodeFreeze } from "./reply.ts";
import { Script, ScriptCall, type ScriptHost } from "./scripts.ts";

/** A freeze of the platform is read again after so long where nobody watches. */
const REREAD_MS = 1_000;
/** While watching, between two looks, should a push be lost. */
const WATCH_MS = 500;
/** While watching, all freezes are read again after so long, whether they changed or not. */
const FOLLOW_MS = 60_000;
const DAY_MS = 86_400_000;

/** What operators set: freezes of a tenant beside its state, those of the platform and grants apart. */
export class Controls {
  readonly #host: ScriptHost;
  readonly #client: RedisClient;
  readonly #freeze = new Script("freeze");
  #platform: ReadonlyMap<string, Freeze> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #followed: Followed = { atMs: Number.NEGATIVE_INFINITY, changes: null, freezes: [] };
  #reading: Promise<void> | null = null;

  constructor(host: ScriptHost) {
    this.#host = host;
    this.#client = host.client;
  }

  /** Freezes of the whole platform among these scopes. */
  async frozen(scopes: readonly string[]): Promise<readonly Freeze[]> {
    if (performance.now() - this.#readAtMs > REREAD_MS) {
      this.#reading ??= this.#read().finally(() => (this.#reading = null));
      await this.#reading;
    }
    if (this.#platform.size === 0) return NONE;
    return scopes.flatMap((scope) => this.#platform.get(scope) ?? []);
  }

  /**
   * Follows what any node sets: the platform's freezes are always at hand, and `onControls` is told of
   * everything at every change and every half second. Ends with the function it returns.
   */
  watch(onControls: (controls: OperatorControls) => void): () => void {
    const listener = duplicate(this.#client);
    let timer: NodeJS.Timeout;
    let stopped = false;
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      try {
        const [grants, freezes] = await Promise.all([
          this.grants(),
          this.#followFreezes(),
          this.#read(),
        ]);
        if (!stopped) onControls({ freezes, grants });
      } catch {
        // What was read last stays in force.
      }
      clearTimeout(timer);
      if (!stopped) timer = setTimeout(() => void look(), WATCH_MS).unref();
    };
    listener.on("error", () => undefined);
    listener.on("ready", () => void listener.subscribe(CONTROLS).catch(() => undefined));
    listener.on("message", () => void look());
    void listener.connect().catch(() => undefined);
    void look();
    return () => {
      stopped = true;
      clearTimeout(timer);
      listener.disconnect();
    };
  }

  async freeze(tenant: string, freeze: Freeze): Promise<void> {
    const { scope } = freeze;
    const text = JSON.stringify({ ...freeze, tenant });
    if (tenant === "*") {
      await this.#replicated(this.#client.hset(PLATFORM_FREEZES, scope, text), PLATFORM_FREEZES);
    } else await this.#set(tenant, scope, text);
    await this.#freezesChanged();
  }

  async unfreeze(tenant: string, scope: string): Promise<void> {
    if (tenant === "*") {
      await this.#replicated(this.#client.hdel(PLATFORM_FREEZES, scope), PLATFORM_FREEZES);
    } else await this.#set(tenant, scope, "");
    await this.#freezesChanged();
  }

  /** "" lifts it. */
  async #set(tenant: string, scope: string, text: string): Promise<void> {
    const keys = tenantKeys(tenant);
    const fields = tenantFields(tenant);
    const call = new ScriptCall()
      .key(keys.state, keys.freezes)
      .value(fields.freezes, scope, text, fields.freeze(scope));
    await this.#freeze.run(this.#host, call);
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
    const kept = JSON.stringify({ ...grant, amount: String(grant.amount) });
    await this.#replicated(this.#client.hset(GRANTS, grantField(grant), kept), GRANTS);
    await this.#changed();
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
    const ended = (await this.grants()).filter(({ untilMs }) => untilMs < nowMs - DAY_MS);
    if (ended.length === 0) return;
    await answered(this.#client.hdel(GRANTS, ...ended.map(grantField)));
  }

  /** A write to a key, once as many replicas as are asked for have it. */
  async #replicated(write: Promise<unknown>, key: string): Promise<void> {
    await answered(Promise.all([write, this.#host.replicas.have(key)]));
  }

  async #freezesChanged(): Promise<void> {
    await answered(this.#client.incr(FREEZE_CHANGES));
    await this.#changed();
  }

  /** Every freeze; read again where one was set or lifted, and each minute should that have been lost. */
  async #followFreezes(): Promise<readonly TenantFreeze[]> {
    const changes = await answered(this.#client.get(FREEZE_CHANGES));
    const { atMs, changes: followed } = this.#followed;
    if (changes !== followed || performance.now() - atMs > FOLLOW_MS) {
      this.#followed = { atMs: performance.now(), changes, freezes: await this.freezes() };
    }
    return this.#followed.freezes;
  }

  /** Tells every node; one that does not hear it looks within a second. */
  async #changed(): Promise<void> {
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    await this.#client.publish(CONTROLS, "").catch(() => undefined);
  }

  async #read(): Promise<void> {
    const startMs = performance.now();
    const texts = await answered(this.#client.hgetall(PLATFORM_FREEZES));
    const freezes = Object.values(texts).map(decodeFreeze);
    this.#platform = new Map(freezes.map((freeze) => [freeze.scope, freeze]));
    this.#readAtMs = startMs;
  }
}

/** Every freeze as it was at a count of changes. */
interface Followed {
  readonly atMs: number;
  readonly changes: string | null;
  readonly freezes: readonly TenantFreeze[];
}

const NONE: readonly Freeze[] = Object.freeze([]);

function grantField({ budget, id, tenant }: Grant): string {
  return JSON.stringify([tenant, budget, id]);
}
