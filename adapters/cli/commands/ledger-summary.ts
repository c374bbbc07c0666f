import { BUCKETS } from "../../../engine/ledger/query.ts";
import { type Invocation, UsageError } from "../command.ts";
import { fieldOf, filterOf, listOf } from "../ledger-filter.ts";
import { asReader } from "../at-service.ts";
import { type Cut, renderSummary, summaryJson } from "../render-summary.ts";
import { styleOf } from "../style.ts";

/** Sums the ledger by fields and by time. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const by = listOf(flags["by"] ?? "team,model").map((name) => fieldOf("by", name));
  const cut: Cut = { by, each: eachOf(flags["each"] ?? "") };
  const answer = await asReader(invocation, (client) =>
    client.summarize({
      bucket: cut.each === "" ? 0 : BUCKETS.indexOf(cut.each),
      filter: filterOf(flags, Date.now()),
      groupBy: by,
      scan: flags["scan"] !== undefined,
    }),
  );
  terminal.print(
    json
      ? JSON.stringify(summaryJson(answer, cut))
      : renderSummary(answer, cut, styleOf(terminal.color)),
  );
  return 0;
}

function eachOf(text: string): Cut["each"] {
  if (text === "" || text === "hour" || text === "day" || text === "month") return text;
  throw new UsageError(`--each ${text} is not accepted; accepted are hour, day, month`);
}
