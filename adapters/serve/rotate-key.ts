import type { WeirError } from "../../engine/errors.ts";
import type { Config } from "../config.ts";
import { onStoppedLog } from "./on-stopped-log.ts";

/** Has another key sign the log of a folder that no service runs on. */
export function rotateSigningKey(
  config: Config,
  reason: string,
  onNote: (note: WeirError) => void,
): Promise<{ readonly before: string; readonly after: string }> {
  return onStoppedLog(config, reason, onNote, (audit) => audit.rotateKey(reason));
}
