import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { budgetsJson, renderBudgets } from "../render-budgets.ts";
import { styleOf } from "../style.ts";

/** Lists what is used of the budgets of a tenant. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const tenant = flags["tenant"] ?? "";
  const list = await asOperator(invocation, (client) => client.listBudgets({ tenant }));
  if (json) terminal.print(JSON.stringify({ tenant, ...budgetsJson(list) }));
  else if (list.definitions.length === 0) terminal.print(`tenant ${tenant} has no budget`);
  else terminal.print(renderBudgets(list, styleOf(terminal.color)));
  return 0;
}
