import { tenantTag } from "../../engine/decision/decision-id.ts";
import { answered, type RedisClient } from "./connection.ts";
import { NODES, TENANT_TAGS } from "./keys.ts";

// Should the server have lost it.
const AGAIN_MS = 60_000;

/** What the nodes tell each other of themselves: tags of the tenants that they serve, names of their logs. */
export class Register {
  readonly #client: RedisClient;
  readonly #told = new Map<string, number>();
  #logName = "";

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** Tags that this node told of. */
  get tags(): readonly string[] {
    return [...this.#told.keys()].map(tenantTag);
  }

  /** Makes the node's log known to whoever checks the state against the logs of all nodes. */
  async join(logName: string): Promise<void> {
    this.#logName = logName;
    await answered(this.#client.hset(NODES, logName, Date.now()));
  }

  /** Makes a tenant's tag known to every node's sweep. */
  async tell(tenant: string): Promise<void> {
    const now = performance.now();
    const toldAt = this.#told.get(tenant);
    if (toldAt !== undefined && now - toldAt < AGAIN_MS) return;
    await answered(this.#client.sadd(TENANT_TAGS, tenantTag(tenant)));
    if (this.#logName !== "") await this.join(this.#logName);
    this.#told.set(tenant, now);
  }
}
