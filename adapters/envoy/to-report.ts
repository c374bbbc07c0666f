import type { RawReport } from "../../engine/ledger/report.ts";
import type { FormatName } from "../../engine/provider/format.ts";
import { readUsageFragments } from "../../engine/provider/response.ts";
import { namesOfUnknown, type UsageReading } from "../../engine/provider/usage.ts";
import type { Ticket } from "./ticket.ts";

/** How a call ended, as far as Envoy saw it. */
export interface CallEnd {
  /** Status of the answer; 0 where there was none. */
  readonly status: number;
  /** The provider was connected to, so it may have worked and charged. */
  readonly reached: boolean;
  readonly cut: "" | "client" | "provider";
  /** Bytes of the answer's body that passed. */
  readonly bodyBytes: number;
  /** Events of a stream that passed; 0 for any other answer. */
  readonly events: number;
  /** Tokens of the answer's text by estimate, where its text was seen; null where it was not. */
  readonly outputTokens: number | null;
}

/** What a call comes to: a report, or a release of what was held. */
export type Settlement =
  | { readonly kind: "report"; readonly report: RawReport }
  | { readonly kind: "cancel"; readonly decisionId: string };

/** A fragment of an answer that holds its figures, at most: what Envoy keeps of it. */
export function readingOf(
  format: FormatName | null,
  fragments: readonly string[],
): UsageReading | null {
  return format === null ? null : readUsageFragments(format, fragments);
}

/**
 * The stated rule of settlement, first match:
 * 1. the answer tells usage that a call can have: that, whatever its status;
 * 2. the provider was not reached: nothing ran, what was held is released;
 * 3. the provider itself refused (a status of 400 or more): nothing, as an estimate;
 * 4. a whole or a cut answer without figures: the input as estimated from the request, the output from
 *    what was seen (its text, else a token an event or one for four bytes), at most what was decided.
 *
 * Anthropic's streams tell the input first and their output only at the end: cut before that, the output
 * is that of rule 4.
 */
export function settlementOf(
  ticket: Ticket,
  reading: UsageReading | null,
  end: CallEnd,
): Settlement {
  const { decisionId } = ticket;
  const usage = reading?.isImplausible === true ? null : (reading?.usage ?? null);
  const outcome = outcomeOf(reading, end);
  const rough = end.events > 0 ? end.events : Math.ceil(end.bodyBytes / 4);
  const output = Math.min(end.outputTokens ?? rough, ticket.outputTokensMax);
  if (usage !== null) {
    const serviceTier = reading?.serviceTier ?? "";
    const wasSeen = end.events > 0 || end.outputTokens !== null;
    if (ticket.format === "anthropic.messages" && wasSeen && reading?.outcome === "") {
      const known = { ...usage, output: Math.max(usage.output, output) };
      return report({ basis: "estimated", outcome, serviceTier, usage: known }, decisionId);
    }
    const { format } = ticket;
    const unknownUsage =
      format === null ? [] : namesOfUnknown(format, reading?.unknownFields ?? []);
    const told = { outcome, serviceTier, unknownUsage, usage: { ...usage } };
    return report({ basis: "provider", ...told }, decisionId);
  }
  if (!end.reached) return { decisionId, kind: "cancel" };
  if (end.status >= 400 && end.cut !== "provider") {
    return report({ basis: "estimated", outcome: "error", usage: NOTHING }, decisionId);
  }
  const estimated = { input: ticket.inputTokens, output };
  return report({ basis: "estimated", outcome, usage: estimated }, decisionId);
}

const NOTHING = { input: 0, output: 0 };

function report(figures: RawReport, decisionId: string): Settlement {
  return { kind: "report", report: { ...figures, decisionId, final: true, sequence: 1 } };
}

function outcomeOf(reading: UsageReading | null, { cut, status }: CallEnd): string {
  if (cut === "client") return "cancelled";
  if (cut === "provider" || status >= 400) return "error";
  return reading?.outcome || "ok";
}
