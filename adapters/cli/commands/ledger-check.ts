import { existsSync } from "node:fs";

import { WeirError } from "../../../engine/errors.ts";
import { loadConfig } from "../../config.ts";
import { checkLedger, type LedgerCheck } from "../../serve/ledger-check.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";

/** Proves that the log is whole and its money adds up; exit code 1 if not. */
export async function run({ settings, json, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  if (!existsSync(config.data)) {
    throw new WeirError("config.invalid", `data: there is no folder ${config.data}`);
  }
  const check = await checkLedger(config);
  const sound = check.differences.length === 0 && check.imbalances.length === 0;
  terminal.print(json ? toJson(check, sound) : toText(check, sound, config.data));
  return sound ? EXIT.ok : EXIT.fault;
}

function toJson({ entries, instances, ...check }: LedgerCheck, sound: boolean): string {
  const unbalanced = check.imbalances.length;
  return JSON.stringify({ budgets: instances, entries, unbalanced, sound, ...check });
}

function toText(check: LedgerCheck, sound: boolean, folder: string): string {
  const { lines, decisions, reports, entries, instances, owed } = check;
  if (lines === 0) return `${folder} holds no log yet: nothing to check`;
  const counts = `${lines} lines (${decisions} decisions, ${reports} reports, ${entries} entries)`;
  return [
    sound ? "the ledger is sound" : "the ledger is NOT sound",
    `  log       ${counts}, none damaged or missing`,
    `  balances  ${instances} budget instances, ${check.imbalances.length} not the sum of their postings`,
    ...check.imbalances.map((text) => `            ${text}`),
    `  entries   ${check.differences.length} that do not follow from the lines before them`,
    ...check.differences.map((id) => `            ${id}`),
    ...(owed > 0 ? [`  owed      ${owed} entries of calls in flight or of a killed process`] : []),
  ].join("\n");
}
