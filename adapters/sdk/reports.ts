import type { CallReport, Settlement } from "./decision.ts";
import { type Transport, TransportError } from "./transport.ts";

/** What became of the reports so far. */
export interface ReportCounts {
  /** Not yet taken by Weir. */
  readonly pending: number;
  readonly delivered: number;
  /** Given up: refused for good, or too many waited. `onLost` was told of each. */
  readonly lost: number;
}

export interface ReportQueueOptions {
  readonly transport: Transport;
  readonly onSettled: (settlement: Settlement) => void;
  readonly onLost: (report: CallReport, why: TransportError) => void;
  /** Reports that may wait; one more loses the oldest, and says so. */
  readonly pendingMax: number;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly report: CallReport;
  readonly settle: (settlement: Settlement | null) => void;
  tries: number;
}

const IN_FLIGHT_MAX = 64;
const RETRY_FIRST_MS = 100;
const RETRY_MOST_MS = 5_000;

/**
 * Delivers reports: many at once, each again until Weir took or refused it. Nothing waits for it but
 * `flush`.
 */
export class ReportQueue {
  readonly #options: ReportQueueOptions;
  readonly #waiting: Waiting[] = [];
  readonly #inFlight = new Set<Waiting>();
  #idle: (() => void)[] = [];
  #delivered = 0;
  #lost = 0;
  #pausedUntilRetry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(options: ReportQueueOptions) {
    this.#options = options;
  }

  /** Queues a report; resolves to the settlement, null if it was lost. Never rejects. */
  push(report: CallReport): Promise<Settlement | null> {
    return new Promise((settle) => {
      this.#waiting.push({ report, settle, tries: 0 });
      if (this.#waiting.length > this.#options.pendingMax) {
        const [oldest] = this.#waiting.splice(0, 1);
        const message = `more than ${this.#options.pendingMax} reports wait`;
        if (oldest !== undefined)
          this.#lose(oldest, new TransportError("sdk.overflow", message, { isTransient: false }));
      }
      this.#pump();
    });
  }

  counts(): ReportCounts {
    const pending = this.#waiting.length + this.#inFlight.size;
    return { delivered: this.#delivered, lost: this.#lost, pending };
  }

  /** Resolves to true once nothing waits, to false after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.counts().pending === 0) return true;
    // What waits for its next try is tried now.
    this.#resume();
    const idle = new Promise<boolean>((resolve) => this.#idle.push(() => resolve(true)));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const done = await Promise.race([idle, late]);
    clearTimeout(timer);
    return done;
  }

  /** Reports that Weir has not taken, for those who keep them elsewhere. */
  undelivered(): readonly CallReport[] {
    return [...this.#inFlight, ...this.#waiting].map(({ report }) => report);
  }

  #pump(): void {
    while (this.#pausedUntilRetry === undefined && this.#inFlight.size < IN_FLIGHT_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#inFlight.add(next);
      void this.#send(next);
    }
    if (this.counts().pending > 0) return;
    for (const done of this.#idle.splice(0)) done();
  }

  async #send(one: Waiting): Promise<void> {
    const { onSettled, timeoutMs, transport } = this.#options;
    try {
      const settlement = await transport.report(one.report, timeoutMs);
      this.#failures = 0;
      this.#delivered += 1;
      this.#inFlight.delete(one);
      one.settle(settlement);
      onSettled(settlement);
    } catch (thrown) {
      const error = TransportError.from(thrown);
      this.#inFlight.delete(one);
      if (error.isTransient) this.#again(one);
      else this.#lose(one, error);
    }
    this.#pump();
  }

  #again(one: Waiting): void {
    one.tries += 1;
    this.#waiting.unshift(one);
    this.#failures += 1;
    const waitMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#pausedUntilRetry ??= setTimeout(() => this.#resume(), waitMs * (0.5 + Math.random() / 2));
  }

  #resume(): void {
    clearTimeout(this.#pausedUntilRetry);
    this.#pausedUntilRetry = undefined;
    this.#pump();
  }

  #lose(one: Waiting, why: TransportError): void {
    this.#lost += 1;
    one.settle(null);
    this.#options.onLost(one.report, why);
  }
}
