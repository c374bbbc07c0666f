import type { EndReply } from "../../engine/reservation/lifecycle.ts";
import { answered, type RedisClient, unavailable } from "./connection.ts";
import type { Doubts } from "./doubts.ts";
import { decisionKeys, PREFIX, tagKeys, TENANT_TAGS } from "./keys.ts";
import { decodeEnd, noEnd, textOf } from "./reply.ts";
import type { Reservations } from "./reservations.ts";
import { Script, ScriptCall, type ScriptHost } from "./scripts.ts";

/** Reservations that one sweep ends at the same time. */
const ENDS_AT_ONCE = 32;

const DAY_MS = 86_400_000;
/** Idle time after which state is forgotten: longer than any report may be late. */
const IDLE_MS = 8 * DAY_MS;
const HOUSEKEEPING_SECONDS = 3_600;
const FIELDS_AT_ONCE = 500;

/** Ends reservations past their deadline, whichever node made them; each is ended by one sweep alone. */
export class Sweep {
  readonly #host: ScriptHost;
  readonly #client: RedisClient;
  readonly #reservations: Reservations;
  readonly #doubts: Doubts;
  readonly #forgetGrants: (nowMs: number) => Promise<void>;
  readonly #expire = new Script("expire");
  readonly #forget = new Script("forget");
  #housekeptMs = Number.NEGATIVE_INFINITY;

  constructor(
    host: ScriptHost,
    reservations: Reservations,
    doubts: Doubts,
    forgetGrants: (nowMs: number) => Promise<void>,
  ) {
    this.#forgetGrants = forgetGrants;
    this.#host = host;
    this.#client = host.client;
    this.#reservations = reservations;
    this.#doubts = doubts;
  }

  /** `own` are the tags this node knows, should the server have lost them. */
  async expire(own: readonly string[], nowMs: number, max: number): Promise<readonly EndReply[]> {
    const found = await answered(this.#client.smembers(TENANT_TAGS));
    const tags = new Set([...found, ...own]);
    // Whole seconds: a deadline is due once its second is over.
    const before = `(${Math.floor(nowMs / 1_000) * 1_000}`;
    const ends = await this.#doubtful();
    try {
      for (const tag of tags) {
        if (ends.length >= max) break;
        await this.#tag(tag, before, nowMs, max, ends);
      }
      if (ends.length < max) await this.#housekeep(tags, nowMs);
    } catch (thrown) {
      // What was ended so far must get its entries.
      if (ends.length === 0) throw thrown;
    }
    return ends;
  }

  async #tag(
    tag: string,
    before: string,
    nowMs: number,
    max: number,
    ends: EndReply[],
  ): Promise<void> {
    const { deadlines } = tagKeys(tag);
    const room = max - ends.length;
    const due = await answered(
      this.#client.zrange(deadlines, "-inf", before, "BYSCORE", "LIMIT", 0, room),
    );
    for (let at = 0; at < due.length; at += ENDS_AT_ONCE) {
      ends.push(...(await this.#some(due.slice(at, at + ENDS_AT_ONCE), nowMs)));
    }
  }

  async #some(ids: readonly string[], nowMs: number): Promise<readonly EndReply[]> {
    // Once all are known the scripts go out in the order of the deadlines.
    await Promise.all(ids.map((id) => this.#reservations.find(id)));
    const replies = await Promise.allSettled(ids.map((id) => this.#one(id, nowMs)));
    // One that failed is looked at again by the next sweep; what the others posted must not be lost.
    return replies.flatMap((reply) =>
      reply.status === "fulfilled" && reply.value.ended ? [reply.value] : [],
    );
  }

  async #one(decisionId: string, nowMs: number): Promise<EndReply> {
    try {
      const reply = await this.#reservations.end(this.#expire, decisionId, nowMs);
      if (reply !== null) return decodeEnd(decisionId, reply);
      await this.#client.zrem(decisionKeys(decisionId).deadlines, decisionId);
      return noEnd(decisionId, "unknown");
    } catch (thrown) {
      this.#doubts.end(decisionId);
      throw unavailable(thrown);
    }
  }

  /** Ends that were made by calls whose answer was lost: nobody has their entries yet. */
  async #doubtful(): Promise<EndReply[]> {
    const ends: EndReply[] = [];
    for (const decisionId of this.#doubts.ends()) {
      const end = await this.#reservations.ended(decisionId);
      this.#doubts.resolve(decisionId);
      if (end?.state === "expired") ends.push(end);
    }
    return ends;
  }

  /** Once an hour one of the nodes lets go of what was idle for long, and of grants that have ended. */
  async #housekeep(tags: ReadonlySet<string>, nowMs: number): Promise<void> {
    if (performance.now() - this.#housekeptMs < HOUSEKEEPING_SECONDS * 1_000) return;
    this.#housekeptMs = performance.now();
    const turn = this.#client.set(`${PREFIX}housekept`, "1", "EX", HOUSEKEEPING_SECONDS, "NX");
    if ((await answered(turn)) === null) return;
    for (const tag of tags) await this.forget(tag, nowMs);
    await this.#forgetGrants(nowMs);
  }

  /** One pass over the state of a tag. */
  async forget(tag: string, nowMs: number): Promise<void> {
    const keys = tagKeys(tag);
    let [state, balances] = ["0", "0"];
    while (state !== "" || balances !== "") {
      const call = new ScriptCall()
        .key(keys.state, keys.balances)
        .value(nowMs, nowMs - IDLE_MS, nowMs - DAY_MS, state, balances, FIELDS_AT_ONCE);
      const reply = await this.#forget.run(this.#host, call);
      [state, balances] = [textOf(reply[0]), textOf(reply[1])];
    }
  }
}
