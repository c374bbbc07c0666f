import { WeirError } from "../../engine/errors.ts";

/** A stream that can be told to take nothing more, answer what it took, and end. */
export interface Stoppable {
  stop(reason: WeirError): void;
}

/** What is in flight on one server, and whether more is let in. */
export class Gate {
  private readonly inFlightMax: number;
  private inFlight = 0;
  private closed = false;
  private lastInMs = -Infinity;
  private readonly streams = new Set<Stoppable>();
  private readonly idleWaiters: (() => void)[] = [];

  constructor(inFlightMax: number) {
    this.inFlightMax = inFlightMax;
  }

  /** Lets one message in; throws `server.draining` or `server.overloaded`. Each enter needs a leave. */
  enter(): void {
    if (this.closed) throw draining();
    if (this.inFlight >= this.inFlightMax) {
      throw new WeirError(
        "server.overloaded",
        `${this.inFlight} messages are in flight; try again later`,
      );
    }
    this.inFlight += 1;
    this.lastInMs = performance.now();
  }

  /** Ends what one enter began. */
  leave(): void {
    this.inFlight -= 1;
    this.checkIdle();
  }

  /** Counts an open stream; throws `server.draining`. */
  open(stream: Stoppable): void {
    if (this.closed) throw draining();
    this.streams.add(stream);
    this.lastInMs = performance.now();
  }

  /** For how long nothing has come in, ms. */
  quietMs(): number {
    return performance.now() - this.lastInMs;
  }

  /** Forgets a stream that has ended. */
  end(stream: Stoppable): void {
    this.streams.delete(stream);
    this.checkIdle();
  }

  /** Lets nothing more in and resolves when all that was in has left. */
  close(): Promise<void> {
    this.closed = true;
    for (const stream of this.streams) stream.stop(draining());
    return new Promise((resolve) => {
      this.idleWaiters.push(resolve);
      this.checkIdle();
    });
  }

  private checkIdle(): void {
    if (!this.closed || this.inFlight > 0 || this.streams.size > 0) return;
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }
}

function draining(): WeirError {
  return new WeirError("server.draining", "the server is shutting down; connect again");
}
