import { loadConfig } from "../../config.ts";
import { checkState } from "../../serve/state-check.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { dataFolders, isSound, stateCheckJson, stateCheckText } from "../render-state.ts";

/** Compares the state with the logs; exit code 1 if they differ. */
export async function run({ flags, json, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const check = await checkState(config, dataFolders(config.data, flags["logs"], terminal.cwd));
  terminal.print(json ? JSON.stringify(stateCheckJson(check)) : stateCheckText(check));
  return isSound(check) ? EXIT.ok : EXIT.fault;
}
