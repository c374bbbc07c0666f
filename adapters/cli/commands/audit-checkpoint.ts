import { noteOf } from "../../../engine/audit/proof-file.ts";
import { loadConfig } from "../../config.ts";
import { checkpointOf } from "../../serve/audit-prove.ts";
import type { Invocation } from "../command.ts";

/** Prints the newest checkpoint, byte for byte as it was signed. */
export async function run({ json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const checkpoint = checkpointOf(config.data);
  const note = noteOf(checkpoint);
  const { origin, root, size } = checkpoint;
  const shown = { origin, records: size, root: root.toString("base64"), note };
  terminal.print(json ? JSON.stringify(shown) : note.trimEnd());
  return 0;
}
