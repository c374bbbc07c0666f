import { randomUUID } from "node:crypto";

import { tenantTag } from "../../engine/decision/decision-id.ts";
import { WeirError } from "../../engine/errors.ts";
import type { PostedSum } from "../../engine/ledger/posted-sums.ts";
import type { StoredDecision } from "../../engine/record/record.ts";
import { tenantOfInstance } from "../../engine/reservation/budgets.ts";
import { answered, type RedisClient } from "./connection.ts";
import { decisionKeys, instanceKeys, NODES, REBUILDING, TENANT_TAGS } from "./keys.ts";
import { readOpen } from "./looks.ts";
import { heldOf } from "./plan.ts";
import { Replicas } from "./replicas.ts";
import { restoreCall } from "./restore.ts";
import { Script, ScriptCall } from "./scripts.ts";

/** What a balance is to be changed by, in the unit of its budget. */
export interface Correction extends Pick<PostedSum, "budget" | "endsAtMs" | "unit"> {
  readonly instance: string;
  readonly held: bigint;
  readonly settled: bigint;
}

/** Looks at the state as a whole, and repairs it; beside the nodes that use it. */
export class Maintenance {
  readonly #client: RedisClient;
  readonly #repair = new Script("repair");
  readonly #restore = new Script("restore");

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** Names of the logs of every node that used this state. */
  nodes(): Promise<readonly string[]> {
    return answered(this.#client.hkeys(NODES));
  }

  /** Makes the tags of tenants known again: nobody looks at what is under others. */
  async know(tenants: Iterable<string>): Promise<void> {
    const tags = [...tenants].map(tenantTag);
    if (tags.length > 0) await answered(this.#client.sadd(TENANT_TAGS, ...tags));
  }

  /** Ids of every open reservation. */
  open(): Promise<readonly string[]> {
    return readOpen(this.#client);
  }

  /** What a reservation holds now, by budget instance. */
  async held(decisionId: string): Promise<ReadonlyMap<string, bigint>> {
    const key = decisionKeys(decisionId).reservation(decisionId);
    const [plan, holds, amounts] = await answered(
      this.#client.hmget(key, "plan", "holds", "amounts"),
    );
    return typeof plan === "string" ? heldOf(plan, holds ?? null, amounts ?? "") : new Map();
  }

  /**
   * Does the work unless another does it somewhere; for that it is given so long.
   * @throws WeirError `state.unavailable` if another does it
   */
  async alone<Result>(forMs: number, work: () => Promise<Result>): Promise<Result> {
    const own = randomUUID();
    if ((await answered(this.#client.set(REBUILDING, own, "PX", forMs, "NX"))) === null) {
      throw new WeirError("state.unavailable", "the state is being rebuilt by another process");
    }
    try {
      return await work();
    } finally {
      if ((await answered(this.#client.get(REBUILDING))) === own)
        await this.#client.del(REBUILDING);
    }
  }

  /** Brings a reservation back with what it holds; false if it is there. */
  async restore(stored: StoredDecision): Promise<boolean> {
    await this.know([stored.record.tenant]);
    const [kind] = await this.#restore.run(this.#host(), restoreCall(stored, null));
    return String(kind) === "restored";
  }

  /** Changes balances, each by its difference. */
  async correct(corrections: readonly Correction[]): Promise<void> {
    for (const { budget, endsAtMs, held, instance, settled, unit } of corrections) {
      await this.know([tenantOfInstance(instance)]);
      const call = new ScriptCall()
        .key(instanceKeys(instance).balances)
        .value(instance, JSON.stringify([budget, unit, endsAtMs]), held, settled);
      await this.#repair.run(this.#host(), call);
    }
  }

  #host() {
    return {
      client: this.#client,
      replicas: new Replicas(this.#client, { count: 0, timeoutMs: 0 }),
    };
  }
}
