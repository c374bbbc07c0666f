import type { Invocation } from "../command.ts";
import { periodJson } from "../ledger-json.ts";
import { asReader } from "../at-service.ts";
import { formatPico, grouped, timeText } from "../render-ledger.ts";
import { harmless, styleOf } from "../style.ts";

/** Closes a month: what comes into it later is a correction, counted when it comes. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const request = {
    month: positionals["MONTH"] ?? "",
    reason: flags["why"] ?? "",
    tenant: flags["tenant"] ?? "",
  };
  const period = await asReader(invocation, (client) => client.closeMonth(request));
  if (json) {
    terminal.print(JSON.stringify(periodJson(period)));
    return 0;
  }
  const style = styleOf(terminal.color);
  const whose = period.tenant === "*" ? "every tenant" : `tenant ${harmless(period.tenant)}`;
  terminal.print(
    [
      `${style.bold(style.green("CLOSED"))}  ${period.month} of ${whose}`,
      `  ${style.faint("cost")}   ${formatPico(period.costPicoUsd)} in ${grouped(period.entries)} entries`,
      `  ${style.faint("when")}   ${timeText(Number(period.closedMs))} by ${harmless(period.actor)}: ${harmless(period.reason)}`,
      `  ${style.faint("later")}  what comes into it is a correction, counted when it comes`,
    ].join("\n"),
  );
  return 0;
}
