/** Ends the process whose main thread evaluates without end; see `watchdog.ts`. */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

import { Progress, whenOverdue } from "./progress.ts";
import { quarantine, quarantineFile } from "./state-file.ts";

export interface WatchdogTask {
  readonly progress: SharedArrayBuffer;
  /** The folder of bundles. */
  readonly folder: string;
  readonly limitMs: number;
}

const { folder, limitMs, progress } = workerData as WatchdogTask;
const watched = new Progress(progress);

whenOverdue(watched, limitMs, () => {
  const { input, name: digest } = watched.latest;
  const why = `an evaluation did not end within ${limitMs} ms`;
  quarantine(folder, { atMs: Date.now(), digest, input, why });
  const message =
    `bundle.invalid: ${why}; the process ends now, and bundle ${digest.slice(0, 12)} does not decide ` +
    `again; the input is in ${quarantineFile(folder, digest)}`;
  writeSync(2, `${new Date().toISOString()} ${message}\n`);
  // Nothing less ends a thread that is inside a module. No answer has left without its record.
  process.kill(process.pid, "SIGKILL");
});
