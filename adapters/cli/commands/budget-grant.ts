import { randomUUID } from "node:crypto";
import { formatAmount, parseAmount } from "../amounts.ts";
import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { grantJson } from "../render-budgets.ts";
import { formatWait, harmless, styleOf } from "../style.ts";
import { parseUntil } from "../until.ts";

/** Raises a budget for a time. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const nowMs = Date.now();
  const request = {
    ...parseAmount(flags["amount"] ?? ""),
    budget: positionals["ID"] ?? "",
    id: `g${randomUUID().replaceAll("-", "")}`,
    reason: flags["why"] ?? "",
    tenant: flags["tenant"] ?? "",
    untilMs: parseUntil(flags["until"] ?? "", nowMs),
  };
  const answer = await asOperator(invocation, (client) => client.grantBudget(request));
  const { grant } = answer;
  if (grant === null) throw new Error("the server's answer is empty");
  const [before, after] = [Number(answer.limitBefore), Number(answer.limitAfter)];
  if (json) {
    terminal.print(
      JSON.stringify({ ...grantJson(grant), limit_before: before, limit_after: after }),
    );
    return 0;
  }
  const style = styleOf(terminal.color);
  const untilMs = Number(grant.untilMs);
  const amount = (value: number) => formatAmount(value, grant.unit);
  const until = `${new Date(untilMs).toISOString()} (${formatWait(Math.max(0, untilMs - nowMs))})`;
  terminal.print(
    [
      `${style.bold(style.green("GRANTED"))}  ${amount(Number(grant.amount))} on ${harmless(grant.budget)} of tenant ${harmless(grant.tenant)}`,
      `  ${style.faint("until")}  ${until}`,
      `  ${style.faint("limit")}  ${amount(before)} → ${amount(after)}, of every instance`,
      `  ${style.faint("why")}    ${harmless(grant.reason)}`,
      `  ${style.faint("grant")}  ${grant.id}`,
    ].join("\n"),
  );
  return 0;
}
