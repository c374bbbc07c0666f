/**
 * Keys due at a time, in slots of a fixed length. Adding and taking are O(1) per key; a slot is due
 * once the clock has passed its end, so a key comes up to one slot late, never early.
 */
export class TimeWheel {
  readonly #slotMs: number;
  readonly #slots = new Map<number, string[]>();
  /** Earliest slot that may hold keys. */
  #next = Number.POSITIVE_INFINITY;

  constructor(slotMs: number) {
    this.#slotMs = slotMs;
  }

  add(dueMs: number, key: string): void {
    const slot = Math.floor(dueMs / this.#slotMs);
    const keys = this.#slots.get(slot);
    if (keys === undefined) this.#slots.set(slot, [key]);
    else keys.push(key);
    if (slot < this.#next) this.#next = slot;
  }

  /** Hands out every key whose slot has ended by `nowMs`, earliest first, until `take` says stop. */
  drain(nowMs: number, take: (key: string) => boolean): void {
    const end = Math.floor(nowMs / this.#slotMs);
    while (this.#next < end && this.#slots.size > 0) {
      const keys = this.#slots.get(this.#next);
      for (let key = keys?.at(-1); key !== undefined; key = keys?.at(-1)) {
        if (!take(key)) return;
        keys?.pop();
      }
      this.#slots.delete(this.#next);
      this.#next = this.#slots.size > 0 && keys === undefined ? this.#earliest() : this.#next + 1;
    }
    if (this.#slots.size === 0) this.#next = Number.POSITIVE_INFINITY;
  }

  #earliest(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.keys()) if (slot < earliest) earliest = slot;
    return earliest;
  }
}
