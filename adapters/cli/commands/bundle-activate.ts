import { resolve } from "node:path";

import { isUrl } from "../../bundles/trusted.ts";
import type { Invocation } from "../command.ts";
import { asOperator } from "../at-service.ts";
import { changeJson, changeText } from "../render-bundle.ts";
import { styleOf } from "../style.ts";

/** Lets another bundle decide. */
export async function run(invocation: Invocation): Promise<number> {
  const { flags, json, positionals, terminal } = invocation;
  const given = positionals["PATH|URL"] ?? "";
  const source = isUrl(given) ? given : resolve(terminal.cwd, given);
  const request = { reason: flags["why"] ?? "", source };
  const change = await asOperator(invocation, (client) => client.activateBundle(request));
  const style = styleOf(terminal.color);
  terminal.print(json ? JSON.stringify(changeJson(change)) : changeText(change, style));
  return 0;
}
