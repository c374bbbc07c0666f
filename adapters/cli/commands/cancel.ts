import type { Invocation } from "../command.ts";
import { asCaller } from "../at-service.ts";
import { harmless, styleOf } from "../style.ts";

/** Releases the reservation of a call that was not made. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, positionals, terminal } = invocation;
  const id = positionals["ID"] ?? "";
  const { released } = await asCaller(invocation, (client) => client.cancel(id));
  if (json) {
    terminal.print(JSON.stringify({ decision_id: id, released }));
    return 0;
  }
  const style = styleOf(terminal.color);
  const what = released
    ? `${style.bold(style.green("RELEASED"))}  what decision ${harmless(id)} held`
    : `${style.bold("NOTHING HELD")}  decision ${harmless(id)} had ended before, without a report`;
  terminal.print(what);
  return 0;
}
