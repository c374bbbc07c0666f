import { Redis } from "ioredis";

import { type RedisClient, unavailable } from "./connection.ts";

/**
 * Waits until replicas have what was written: one WAIT covers everything its connection sent before, so
 * calls that were sent together share one.
 */
export class Replicas {
  readonly #client: RedisClient;
  readonly #count: number;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<Redis, Promise<number>>();

  constructor(
    client: RedisClient,
    options: { readonly count: number; readonly timeoutMs: number },
  ) {
    this.#client = client;
    this.#count = options.count;
    this.#timeoutMs = options.timeoutMs;
  }

  /**
   * To be called at once after a write to `key` was sent.
   * @throws WeirError `state.unavailable` if fewer replicas have it in time; it may be carried out all the same
   */
  async have(key: string): Promise<void> {
    if (this.#count === 0) return;
    const connection = this.#connectionOf(key);
    let waiting = this.#waiting.get(connection);
    if (waiting === undefined) {
      waiting = Promise.resolve().then(() => {
        this.#waiting.delete(connection);
        return connection.wait(this.#count, this.#timeoutMs);
      });
      this.#waiting.set(connection, waiting);
    }
    const reached = await waiting;
    if (reached >= this.#count) return;
    throw unavailable(
      new Error(`${reached} replicas have the change, ${this.#count} are asked for`),
    );
  }

  #connectionOf(key: string): Redis {
    const client = this.#client;
    if (client instanceof Redis) return client;
    const slot = slotOf(key);
    const name = client.slots[slot]?.[0];
    const found = client
      .nodes("master")
      .find(({ options }) => `${options.host}:${options.port}` === name);
    if (found === undefined) throw unavailable(new Error(`no node serves slot ${slot}`));
    return found;
  }
}

const SLOTS = 16_384;

/** Slot of a key in a cluster: CRC-16/XMODEM of what stands between its braces, else of all of it. */
function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc % SLOTS;
}
