import { createHash, randomBytes } from "node:crypto";

import type { Ids } from "../../engine/ports.ts";

const POOL_BYTES = 4_096;

/** Cryptographic randomness, drawn from the system a block at a time. */
export class RandomIds implements Ids {
  #pool = Buffer.alloc(0);
  #used = 0;

  random128(): string {
    if (this.#used + 16 > this.#pool.length) {
      this.#pool = randomBytes(POOL_BYTES);
      this.#used = 0;
    }
    this.#used += 16;
    return this.#pool.toString("hex", this.#used - 16, this.#used);
  }
}

/** Ids that a seed repeats: for the demo and tests, never where a stranger could guess them. */
export class SeededIds implements Ids {
  readonly #seed: string;
  #count = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  random128(): string {
    this.#count += 1;
    return createHash("sha256").update(`${this.#seed}:${this.#count}`).digest("hex").slice(0, 32);
  }
}
