import { resolve } from "node:path";

import { loadConfig } from "../../config.ts";
import { proveContinuation } from "../../serve/audit-prove.ts";
import type { Invocation } from "../command.ts";

/** Proves that the log of one checkpoint goes on as that of another; exit code 1 if it does not. */
export async function run({ json, positionals, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const pathOf = (name: string): string => resolve(terminal.cwd, positionals[name] ?? "");
  const proof = proveContinuation(config.data, pathOf("OLD"), pathOf("NEW"));
  terminal.print(JSON.stringify(proof, null, json ? 0 : 2));
  terminal.note(
    "the newer log begins with the older one; weir audit verify checks this proof anywhere",
  );
  return 0;
}
