import { openBundle } from "../../../engine/policy/bundle.ts";
import { bundleFiles } from "../../bundles/archive.ts";
import { readTrusted } from "../../bundles/trusted.ts";
import { type Config, loadConfig } from "../../config.ts";
import { createKey } from "../../keys/keys.ts";
import { nearest } from "../../nearest.ts";
import { userName } from "../../system/user.ts";
import type { Invocation } from "../command.ts";
import { harmless } from "../style.ts";

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
  const warning = await unknownPrincipal(config, principal);
  if (warning !== "") terminal.note(warning);
  if (json) {
    terminal.print(JSON.stringify({ id, principal, note, key: secret }));
    return 0;
  }
  terminal.print(secret);
  terminal.note(`key ${id} of ${harmless(principal)}; it is not shown again`);
  terminal.note('send it as "authorization: Bearer …", or set WEIR_KEY for this command');
  return 0;
}

/** Calls of a principal that the bundle does not have are refused; "" where it has it. */
async function unknownPrincipal(config: Config, principal: string): Promise<string> {
  const { principals } = await readTrusted(config.bundle, config.bundleKeys).then(
    (trusted) => openBundle(bundleFiles(trusted)).data,
    // Whether the bundle is sound, the service says when it starts.
    () => ({ principals: null }),
  );
  if (principals === null || Object.hasOwn(principals, principal)) return "";
  const near = nearest(principal, Object.keys(principals));
  return `the policy bundle has no principal ${harmless(principal)}, so its calls are refused (auth.denied); the nearest is ${harmless(near)}`;
}
