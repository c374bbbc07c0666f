import { WeirError } from "../../../engine/errors.ts";
import { loadConfig } from "../../config.ts";
import { SigningKeyFile } from "../../embedded/signing-key.ts";
import { rotateSigningKey } from "../../serve/rotate-key.ts";
import { type Invocation, UsageError } from "../command.ts";
import { harmless } from "../style.ts";

/** Shows the key that auditors trust, or has another one take its place. */
export async function run({ flags, json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const why = flags["why"];
  if (flags["rotate"] === undefined) {
    if (why !== undefined) throw new UsageError("--why is the reason of --rotate");
    const key = new SigningKeyFile(config.data).read();
    if (key === null) {
      const message = `no key signs the log in ${config.data} yet; the first start makes one`;
      throw new WeirError("config.invalid", message);
    }
    const { text } = key.verifier;
    terminal.print(json ? JSON.stringify({ key: text }) : text);
    return 0;
  }
  if (why === undefined || why.trim() === "") throw new UsageError("--rotate needs --why TEXT");
  const { after, before } = await rotateSigningKey(config, why, ({ message }) =>
    terminal.note(harmless(message)),
  );
  if (json) {
    terminal.print(JSON.stringify({ key: after, before }));
    return 0;
  }
  terminal.print(after);
  terminal.note(`signs from now on; ${before} has vouched for it`);
  return 0;
}
