import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { changeJson, changeText } from "../render-bundle.ts";
import { styleOf } from "../style.ts";

/** Lets the bundle before decide again. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, terminal } = invocation;
  const reason = flags["why"] ?? "";
  const change = await asOperator(invocation, (client) => client.rollbackBundle(reason));
  const style = styleOf(terminal.color);
  terminal.print(json ? JSON.stringify(changeJson(change)) : changeText(change, style));
  return 0;
}
