import type { weir } from "../../proto/gen/weir.js";
import { OUTCOMES, type RawReport } from "../../engine/ledger/report.ts";
import { word } from "./to-intent.ts";

const BASES = ["provider", "estimated"];

/** A decoded report as the engine takes it; nothing is checked here, as in `toIntent`. */
export function toReport(message: weir.v1.UsageReport | null): RawReport {
  if (message === null) return {};
  return {
    decisionId: message.decisionId,
    sequence: message.sequence,
    final: message.final,
    usage: toUsage(message.usage),
    outcome: word(message.outcome, OUTCOMES, undefined),
    basis: word(message.basis, BASES, "provider"),
    model: message.model,
    serviceTier: message.serviceTier,
    rawUsage: rawUsageOf(message.rawUsage),
    unknownUsage: message.unknownUsage,
  };
}

function toUsage(usage: weir.v1.Usage | null): Readonly<Record<string, unknown>> | undefined {
  if (usage === null) return undefined;
  return {
    input: usage.input,
    cacheRead: usage.cacheRead,
    cacheWrite5m: usage.cacheWrite_5m,
    cacheWrite1h: usage.cacheWrite_1h,
    output: usage.output,
    reasoning: usage.reasoning,
  };
}

function rawUsageOf(raw: weir.v1.RawUsage | null): Readonly<Record<string, unknown>> | undefined {
  return raw === null ? undefined : { format: raw.format, json: raw.json };
}
