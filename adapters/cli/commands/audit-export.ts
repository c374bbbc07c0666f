import { resolve } from "node:path";

import { loadConfig } from "../../config.ts";
import { exportLog } from "../../serve/audit-export.ts";
import type { Invocation } from "../command.ts";
import { quoted } from "../style.ts";

/** Copies what an auditor needs, and nothing secret. */
export async function run({ json, positionals, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const folder = positionals["DIR"] ?? "";
  const { checkpoint, records } = await exportLog(config.data, resolve(terminal.cwd, folder));
  if (json) terminal.print(JSON.stringify({ records, checkpoint }));
  else
    terminal.print(
      `${records} records in ${folder}; to check: weir audit verify ${quoted(folder)} --key KEY`,
    );
  return 0;
}
