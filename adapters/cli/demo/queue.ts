import type { PlannedCall } from "./mapping.ts";
import type { PlannedReport } from "./reports.ts";

/** What happens next: a call or a report, at its time. */
export type Event =
  | { readonly kind: "call"; readonly atMs: number; readonly call: PlannedCall }
  | { readonly kind: "report"; readonly atMs: number; readonly report: PlannedReport };

/** Calls in the order of time, with the reports that follow from their answers in between. */
export class EventQueue {
  readonly #calls: readonly PlannedCall[];
  #sent = 0;
  /** Latest first, so that the next one is at the end. */
  readonly #reports: PlannedReport[] = [];

  constructor(calls: readonly PlannedCall[]) {
    this.#calls = calls;
  }

  /** Puts a report in its place; of two at the same time the first one added comes first. */
  add(report: PlannedReport): void {
    let low = 0;
    let high = this.#reports.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#reports[middle] as PlannedReport).atMs > report.atMs) low = middle + 1;
      else high = middle;
    }
    this.#reports.splice(low, 0, report);
  }

  /** The next event, a report before a call of the same time; null at the end. */
  next(): Event | null {
    const call = this.#calls[this.#sent];
    const report = this.#reports.at(-1);
    if (report !== undefined && (call === undefined || report.atMs <= call.atMs)) {
      this.#reports.pop();
      return { kind: "report", atMs: report.atMs, report };
    }
    if (call === undefined) return null;
    this.#sent += 1;
    return { kind: "call", atMs: call.atMs, call };
  }
}
