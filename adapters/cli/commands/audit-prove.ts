import { writeFileSync } from "node:fs";
import { resolve } from "node:path";

import { loadConfig } from "../../config.ts";
import { proveRecord } from "../../serve/audit-prove.ts";
import type { Invocation } from "../command.ts";
import { quoted } from "../style.ts";

/** Writes a record and what proves it, for another machine. */
export async function run({
  flags,
  json,
  positionals,
  settings,
  terminal,
}: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const proof = proveRecord(config.data, positionals["ID"] ?? "");
  const text = JSON.stringify(proof, null, 2);
  const out = flags["out"];
  if (out === undefined) {
    terminal.print(json ? JSON.stringify(proof) : text);
    return 0;
  }
  writeFileSync(resolve(terminal.cwd, out), `${text}\n`);
  const { length } = proof.records;
  if (json) terminal.print(JSON.stringify({ out, records: length }));
  else
    terminal.print(
      `${length} record${length === 1 ? "" : "s"} in ${out}; to check: weir audit verify ${quoted(out)} --key KEY`,
    );
  return 0;
}
