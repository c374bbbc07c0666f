import { loadConfig } from "../../config.ts";
import { erasePerson } from "../../serve/erase-person.ts";
import type { Invocation } from "../command.ts";
import { harmless } from "../style.ts";

/** Erases a person from a log without touching a record. */
export async function run({
  flags,
  json,
  positionals,
  settings,
  terminal,
}: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const given = positionals["VALUE"] ?? "";
  // Off the command line, where ps and the shell's history would keep it.
  const value = given === "-" ? (await terminal.readInput()).trimEnd() : given;
  const masks = await erasePerson(config, value, flags["why"] ?? "", ({ message }) =>
    terminal.note(harmless(message)),
  );
  if (json) {
    terminal.print(JSON.stringify({ erased: true, masks }));
    return 0;
  }
  terminal.print("erased: nobody can tell any more whose these are");
  for (const mask of masks) terminal.print(`  ${harmless(mask)}`);
  terminal.note("copies of audit/salts in backups have to go too");
  return 0;
}
