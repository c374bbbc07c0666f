import { WeirError } from "../../engine/errors.ts";
import type { RecordLog, StateStore } from "../../engine/ports.ts";
import type { LogLine } from "../../engine/record/record.ts";

/** A log whose appends wait for the test, or fail. */
export class GatedLog implements RecordLog {
  readonly #inner: RecordLog;
  /** Lines that fail; none by default. */
  fails: (line: LogLine) => boolean = () => false;
  /** While true, appends wait for `open`. */
  shut = false;
  #waiting: (() => void)[] = [];

  constructor(inner: RecordLog) {
    this.#inner = inner;
  }

  async append(line: LogLine): Promise<void> {
    if (this.shut) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.fails(line)) throw new WeirError("log.unavailable", "the log cannot be written: test");
    await this.#inner.append(line);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  open(): void {
    this.shut = false;
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}

/** A store that stops answering while `lost` is true; `only` names the methods that are lost. */
export class LossyStore {
  lost = false;
  only: readonly (keyof StateStore)[] | null = null;

  wrap(inner: StateStore): StateStore {
    return new Proxy(inner, {
      get: (target, name: keyof StateStore) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...parameters: unknown[]): unknown => {
          if (this.lost && (this.only === null || this.only.includes(name))) {
            return Promise.reject(
              new WeirError("state.unavailable", "the state store does not answer: test"),
            );
          }
          return Reflect.apply(value, target, parameters);
        };
      },
    });
  }
}

/** Lets every callback that is due run, a few rounds deep. */
export async function settleTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
