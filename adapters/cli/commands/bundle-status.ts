import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { statusJson, statusText } from "../render-bundle.ts";
import { styleOf } from "../style.ts";

/** Shows which bundle decides. */
export async function run(invocation: Invocation): Promise<number> {
  const { json, terminal } = invocation;
  const status = await asOperator(invocation, (client) => client.getBundleStatus());
  terminal.print(
    json
      ? JSON.stringify(statusJson(status))
      : statusText(status, Date.now(), styleOf(terminal.color)),
  );
  return 0;
}
