import { loadConfig } from "../../config.ts";
import { rebuildState } from "../../serve/state-rebuild.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { dataFolders, isSound, stateRebuildJson, stateRebuildText } from "../render-state.ts";

/** Makes the state what the logs say; exit code 1 if it is not that even so. */
export async function run({ flags, json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const rebuilt = await rebuildState(config, dataFolders(config.data, flags["logs"], terminal.cwd));
  terminal.print(json ? JSON.stringify(stateRebuildJson(rebuilt)) : stateRebuildText(rebuilt));
  return isSound(rebuilt.check) ? EXIT.ok : EXIT.fault;
}
