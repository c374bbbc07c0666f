import { existsSync } from "node:fs";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Config } from "../config.ts";
import { lockFolder } from "../embedded/lock.ts";
import { systemClock } from "../system/clock.ts";
import { AuditLog } from "./audit-log.ts";
import { dataLayout } from "./local-storage.ts";

/** Has another key sign the log of a folder that no service runs on. */
export async function rotateSigningKey(
  config: Config,
  reason: string,
): Promise<{ readonly before: string; readonly after: string }> {
  if (reason.length > LIMITS.reasonChars || !reason.isWellFormed()) {
    throw new WeirError(
      "config.invalid",
      `why: 1 to ${LIMITS.reasonChars} characters are accepted`,
    );
  }
  const logFolder = dataLayout(config.data).log;
  if (!existsSync(logFolder)) {
    throw new WeirError(
      "config.invalid",
      `${config.data} holds no log: there is no key to replace`,
    );
  }
  const lock = lockFolder(config.data);
  try {
    const notes: WeirError[] = [];
    const audit = new AuditLog(config, {
      clock: systemClock,
      data: config.data,
      logFolder,
      onNote: (note) => notes.push(note),
    });
    try {
      for (const _line of audit.recall());
      await audit.begin();
      return await audit.rotateKey(reason);
    } finally {
      await audit.close();
    }
  } finally {
    lock.release();
  }
}
