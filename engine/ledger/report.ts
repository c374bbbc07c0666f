import type { Usage } from "../pricing/usage.ts";
import type { Basis } from "./entry.ts";

export const OUTCOMES = ["ok", "error", "cancelled", "truncated", "filtered"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What an adapter hands over before anything is checked; counts as in RawIntent. */
export interface RawReport {
  readonly decisionId?: unknown;
  readonly sequence?: unknown;
  readonly final?: unknown;
  readonly usage?: Readonly<Record<string, unknown>> | undefined;
  readonly outcome?: unknown;
  readonly basis?: unknown;
  readonly model?: unknown;
  readonly serviceTier?: unknown;
  /** `{format, json}`: usage as the provider told it, in the place of `usage`. */
  readonly rawUsage?: Readonly<Record<string, unknown>> | undefined;
  /** Members of the provider's usage that the caller's parser did not know. */
  readonly unknownUsage?: unknown;
}

/** A validated report: cumulative usage of one decided call. */
export interface Report {
  readonly decisionId: string;
  readonly sequence: number;
  readonly final: boolean;
  readonly usage: Usage;
  /** "" only in a report that is not final. */
  readonly outcome: Outcome | "";
  readonly basis: Basis;
  /** Model that served the call; "" means the decided one. */
  readonly model: string;
  readonly serviceTier: string;
  /** Members of the provider's usage that are not known here: "openai.chat usage.name". */
  readonly unknownUsage: readonly string[];
}

export type ReportStatus = "posted" | "settled" | "duplicate" | "superseded" | "corrected";

/** What a report did. */
export interface ReportResult {
  readonly decisionId: string;
  readonly status: ReportStatus;
  readonly costPicoUsd: bigint;
  readonly chargedNanoUsd: bigint;
  /** "late", "overrun", "unpriced". */
  readonly flags: readonly string[];
  /** As in the report; absent: none. */
  readonly unknownUsage?: readonly string[];
}
