import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { harmless, styleOf } from "../style.ts";
import { changeJson, named, requestOf } from "./freeze.ts";

/** Lifts a kill switch of a running service. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, terminal } = invocation;
  const change = await asOperator(invocation, (client) => client.unfreeze(requestOf(invocation)));
  if (json) {
    terminal.print(JSON.stringify({ frozen: false, ...changeJson(change) }));
    return 0;
  }
  const { reason, scope, tenant, wasFrozen } = change;
  const style = styleOf(terminal.color);
  if (!wasFrozen) {
    terminal.print(`${named(scope, tenant)} was not frozen; "weir freeze list" shows what is`);
    return 0;
  }
  terminal.print(`${style.bold(style.green("FREE"))}  ${named(scope, tenant)}`);
  terminal.print(`  why  ${harmless(reason)}`);
  return 0;
}
