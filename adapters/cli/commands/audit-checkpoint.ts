import { WeirError } from "../../../engine/errors.ts";
import { loadConfig } from "../../config.ts";
import { lastCheckpoint, noteOf } from "../../embedded/audit-trail.ts";
import { dataLayout } from "../../serve/local-storage.ts";
import type { Invocation } from "../command.ts";

/** Prints the newest checkpoint, byte for byte as it was signed. */
export async function run({ json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const checkpoint = lastCheckpoint(dataLayout(config.data).log);
  if (checkpoint === null) {
    throw new WeirError("config.invalid", `no checkpoint was signed in ${config.data} yet`);
  }
  const note = noteOf(checkpoint);
  const { origin, root, size } = checkpoint;
  const shown = { origin, records: size, root: root.toString("base64"), note };
  terminal.print(json ? JSON.stringify(shown) : note.trimEnd());
  return 0;
}
