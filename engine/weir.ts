import type { Decision } from "./decision/decision.ts";
import type { RawIntent } from "./intent/intent.ts";
import type { RawReport, ReportResult } from "./ledger/report.ts";

/** Who calls, as the adapter authenticated it. */
export interface Caller {
  /** Principal id; the bundle says what it may claim. */
  readonly principal: string;
}

/** The engine as every ingress sees it. All methods throw WeirError and nothing else. */
export interface Weir {
  /** Decides one intent: the whole flow, the record durable before it resolves. */
  decide(raw: RawIntent, caller: Caller): Promise<Decision>;
  /** Takes actual usage. */
  report(raw: RawReport, caller: Caller): Promise<ReportResult>;
  /** Releases the reservation of a call that was not made. */
  cancel(decisionId: string, caller: Caller): Promise<{ readonly released: boolean }>;
  /** Releases what was held for an answer that could not be delivered. Never throws. */
  undelivered(decision: Decision): Promise<void>;
  /** Ends reservations past their deadline; returns how many. */
  sweep(): Promise<number>;
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>;
}
