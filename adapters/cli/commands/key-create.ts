import { loadConfig } from "../../config.ts";
import { createKey } from "../../keys/keys.ts";
import { userName } from "../../system/user.ts";
import type { Invocation } from "../command.ts";

/** Makes an API key; the only time its secret is shown. */
export async function run({ flags, settings, json, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const principal = flags["principal"] ?? "";
  const note = flags["note"] ?? "";
  const { id, secret } = await createKey(config.data, {
    by: userName(),
    principal,
    note,
    now: Date.now(),
  });
  if (json) {
    terminal.print(JSON.stringify({ id, principal, note, key: secret }));
    return 0;
  }
  terminal.print(secret);
  terminal.note(`key ${id} of ${principal}; it is not shown again`);
  terminal.note('send it as "authorization: Bearer …", or set WEIR_KEY for this command');
  return 0;
}
