const HEAD_BYTES = 12;

/** What a thread is evaluating, in memory that another thread reads while the first cannot answer. */
export class Progress {
  readonly #counts: Int32Array;
  readonly #text: Buffer;

  /** Memory for one; texts are cut where it ends. */
  static allocate(textBytes: number): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + textBytes);
  }

  constructor(shared: SharedArrayBuffer) {
    this.#counts = new Int32Array(shared, 0, 3);
    this.#text = Buffer.from(shared, HEAD_BYTES);
  }

  /** An evaluation begins; what it is of, and on what. */
  begin(name: string, input = ""): void {
    const at = this.#text.write(`${name}\n`, "utf8");
    this.#counts[2] = at + this.#text.write(input, at, "utf8");
    Atomics.add(this.#counts, 0, 1);
  }

  end(): void {
    Atomics.add(this.#counts, 1, 1);
  }

  /** Evaluations begun; the same number twice while one is under way: it is still the same one. */
  get begun(): number {
    return Atomics.load(this.#counts, 0);
  }

  get isEvaluating(): boolean {
    return Atomics.load(this.#counts, 0) !== Atomics.load(this.#counts, 1);
  }

  /** What the latest evaluation is of, and on what. */
  get latest(): { readonly name: string; readonly input: string } {
    const text = this.#text.toString("utf8", 0, this.#counts[2]);
    const end = text.indexOf("\n");
    return { input: text.slice(end + 1), name: text.slice(0, end) };
  }
}

const TICK_MS = 50;

/**
 * Calls back once, when one evaluation takes `limitMs`. Time is counted in looks at it, so that a
 * machine that was asleep, or too busy to look, blames nobody. Returns what ends the looking.
 */
export function whenOverdue(progress: Progress, limitMs: number, tell: () => void): () => void {
  let [seen, looks] = [-1, 0];
  const timer = setInterval(() => {
    const { begun } = progress;
    looks = progress.isEvaluating && begun === seen ? looks + 1 : 0;
    seen = begun;
    if (looks * TICK_MS < limitMs) return;
    clearInterval(timer);
    tell();
  }, TICK_MS);
  return () => clearInterval(timer);
}
