import { existsSync } from "node:fs";

import { WeirError } from "../../engine/errors.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Config } from "../config.ts";
import { lockFolder } from "../embedded/lock.ts";
import { systemClock } from "../system/clock.ts";
import { AuditLog } from "./audit-log.ts";
import { dataLayout } from "./local-storage.ts";

/**
 * Does something to the log of a folder that no service runs on, and signs it. `reason` is checked
 * first, for it goes into the log. `onNote` is told what went wrong beside the work, as a witness
 * that does not answer.
 */
export async function onStoppedLog<Result>(
  config: Config,
  reason: string,
  onNote: (note: WeirError) => void,
  work: (audit: AuditLog) => Promise<Result>,
): Promise<Result> {
  if (reason.trim() === "" || reason.length > LIMITS.reasonChars || !reason.isWellFormed()) {
    throw new WeirError(
      "config.invalid",
      `why: 1 to ${LIMITS.reasonChars} characters are accepted`,
    );
  }
  const logFolder = dataLayout(config.data).log;
  if (!existsSync(logFolder)) {
    throw new WeirError("config.invalid", `${config.data} holds no log; the first start makes one`);
  }
  const lock = lockFolder(config.data);
  try {
    const audit = new AuditLog(config, {
      clock: systemClock,
      data: config.data,
      logFolder,
      onNote,
    });
    try {
      if (audit.log.repaired !== "") {
        onNote(new WeirError("log.corrupt", `repaired: ${audit.log.repaired}`));
      }
      for (const _line of audit.recall());
      await audit.begin();
      return await work(audit);
    } finally {
      await audit.close();
    }
  } finally {
    lock.release();
  }
}
