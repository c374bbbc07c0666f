import { loadConfig } from "../../config.ts";
import { revokeKey } from "../../keys/keys.ts";
import { userName } from "../../system/user.ts";
import type { Invocation } from "../command.ts";

/** Ends a key for good; running services refuse it within a second. */
export async function run({
  flags,
  positionals,
  settings,
  json,
  terminal,
}: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const id = positionals["ID"] ?? "";
  await revokeKey(config.data, id, Date.now(), { by: userName(), why: flags["why"] ?? "" });
  terminal.print(json ? JSON.stringify({ id, revoked: true }) : `key ${id} is revoked`);
  return 0;
}
