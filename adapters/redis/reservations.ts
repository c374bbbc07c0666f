import { LRUCache } from "lru-cache";

import { ENDED_KEPT_MS, type EndReply } from "../../engine/reservation/lifecycle.ts";
import { answered, unavailable } from "./connection.ts";
import { decisionKeys } from "./keys.ts";
import { type Links, readLinks, runKeys } from "./plan.ts";
import { decodeEnd } from "./reply.ts";
import {
  type Script,
  ScriptCall,
  type ScriptHost,
  type ScriptReply,
  type Value,
} from "./scripts.ts";

/** How many reservations a node remembers the keys of; it asks for those of the others. */
const KNOWN_MAX = 20_000;

/** Reservations by id: what has to be known of one before a script can be called on it. */
export class Reservations {
  readonly #host: ScriptHost;
  readonly #known = new LRUCache<string, Links>({ max: KNOWN_MAX });

  constructor(host: ScriptHost) {
    this.#host = host;
  }

  remember(decisionId: string, links: Links): void {
    this.#known.set(decisionId, links);
  }

  async find(decisionId: string): Promise<Links | null> {
    const remembered = this.#known.get(decisionId);
    if (remembered !== undefined) return remembered;
    const [plan] = await this.fields(decisionId, ["plan"]);
    if (typeof plan !== "string") return null;
    const links = readLinks(plan);
    this.#known.set(decisionId, links);
    return links;
  }

  /** Runs a script that ends or charges a reservation; null if there is no reservation. */
  async end(
    script: Script,
    decisionId: string,
    nowMs: number,
    ...values: readonly Value[]
  ): Promise<ScriptReply | null> {
    const links = await this.find(decisionId);
    if (links === null) return null;
    const keys = decisionKeys(decisionId);
    const call = new ScriptCall()
      .key(keys.reservation(decisionId), keys.state, keys.balances, keys.deadlines)
      .key(keys.intent(links.intent), ...runKeys(keys, links))
      .value(decisionId, nowMs, ENDED_KEPT_MS, ...values);
    const reply = await script.run(this.#host, call);
    if (String(reply[0]) !== "unknown") return reply;
    this.#known.delete(decisionId);
    return null;
  }

  fields(decisionId: string, names: readonly string[]): Promise<readonly (string | null)[]> {
    const key = decisionKeys(decisionId).reservation(decisionId);
    return answered(this.#host.client.hmget(key, ...names));
  }

  /** Whether a reservation is there and has not ended. */
  async isOpen(decisionId: string): Promise<boolean> {
    const [state] = await this.fields(decisionId, ["state"]);
    return state === "judging" || state === "open";
  }

  /** How a reservation ended, or null; for whoever has to append its entry. */
  async ended(decisionId: string): Promise<EndReply | null> {
    const [kept] = await this.fields(decisionId, ["ended"]);
    if (typeof kept !== "string") return null;
    return decodeEnd(decisionId, JSON.parse(kept) as readonly unknown[]);
  }
}

export function lost(decisionId: string): Error {
  return unavailable(new Error(`it has lost reservation ${decisionId}`));
}
