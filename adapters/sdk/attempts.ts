/** One try of an intent. */
export interface Attempt {
  readonly intentId: string;
  readonly number: number;
  /** Why there is more than one; "" for the first. */
  readonly reason: string;
}

interface Failed extends Attempt {
  readonly atMs: number;
}

/** How long after a failure the same call counts as its retry. */
const RETRY_MS = 120_000;
const KEPT_MAX = 10_000;

/**
 * Tells retries of client libraries from new calls: the same request to the same place again, after one
 * that failed. So they count as attempts of one intent.
 */
export class Attempts {
  readonly #failed = new Map<string, Failed[]>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * The try that a call with this key is. `retryCount` is how often the client library says it was tried
   * before; libraries on top of others (LangChain, the AI SDK) retry without saying so.
   */
  open(key: string, retryCount: number): Attempt {
    const waiting = this.#failed.get(key);
    const freshFromMs = this.#nowMs() - RETRY_MS;
    const before = waiting?.findLast(({ atMs }) => atMs >= freshFromMs);
    if (waiting === undefined || before === undefined) {
      const number = retryCount + 1;
      return { intentId: crypto.randomUUID(), number, reason: number > 1 ? "retry" : "" };
    }
    waiting.splice(waiting.indexOf(before), 1);
    if (waiting.length === 0) this.#failed.delete(key);
    return { intentId: before.intentId, number: before.number + 1, reason: before.reason };
  }

  /** Notes that a try failed, so that the same call again is its retry. */
  failed(key: string, attempt: Attempt, reason: string): void {
    const list = this.#failed.get(key) ?? [];
    list.push({ ...attempt, atMs: this.#nowMs(), reason });
    // Anew, so that the first key of the map is the one that waits longest.
    this.#failed.delete(key);
    this.#failed.set(key, list);
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > KEPT_MAX && oldest !== undefined) this.#failed.delete(oldest);
  }
}

/** A digest of 64 bits, for telling requests apart; no protection against one who wants a collision. */
export function digestOf(bytes: Uint8Array): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (const byte of bytes) {
    high = Math.imul(high ^ byte, 2_654_435_761);
    low = Math.imul(low ^ byte, 1_597_334_677);
  }
  high =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
  return hex(high) + hex(low);
}
