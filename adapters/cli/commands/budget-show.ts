import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { budgetsJson, renderBudgets, renderDefinition } from "../render-budgets.ts";
import { styleOf } from "../style.ts";

/** Shows one budget: what it is, what is used of each instance, what was granted. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const request = { budget: positionals["ID"] ?? "", tenant: flags["tenant"] ?? "" };
  const list = await asOperator(invocation, (client) => client.listBudgets(request));
  if (json) {
    terminal.print(JSON.stringify({ tenant: request.tenant, ...budgetsJson(list) }));
    return 0;
  }
  const style = styleOf(terminal.color);
  for (const one of list.definitions) terminal.print(`${renderDefinition(one, style)}\n`);
  terminal.print(renderBudgets(list, style));
  return 0;
}
