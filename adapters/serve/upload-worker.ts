/** The thread that sends a log's decisions; see `upload-host.ts`. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

import type { Labels } from "../upload/event.ts";
import { postJson } from "../upload/post.ts";
import { LogUploader, type UploadProgress } from "../upload/uploader.ts";
import { LogTail } from "./log-tail.ts";

export interface UploadWork {
  readonly labels: Labels;
  readonly limitBytes: number;
  readonly logFolder: string;
  /** File that holds the number of the last line that is dealt with. */
  readonly positionFile: string;
  readonly token: string;
  readonly url: string;
}

const { labels, limitBytes, logFolder, positionFile, token, url } = workerData as UploadWork;
const port = parentPort;
if (port === null) throw new Error("this module runs as a worker thread");
const aborter = new AbortController();
const { signal } = aborter;
port.once("message", () => aborter.abort());
port.unref();

const uploader = new LogUploader({
  keep: writePosition,
  labels,
  limitBytes,
  pause: (ms) => sleep(ms, undefined, { signal }).catch(() => undefined),
  post: (body) => postJson({ body, token, url }),
  from: readPosition(),
  open: (position) => new LogTail(logFolder, position),
  tell: (progress: UploadProgress) => port.postMessage(progress),
});
await uploader.run(signal);

function readPosition(): number {
  try {
    return Number.parseInt(readFileSync(positionFile, "utf8"), 10) || 0;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw cause;
  }
}

function writePosition(position: number): void {
  writeFileSync(`${positionFile}.new`, `${position}\n`, { mode: 0o600 });
  renameSync(`${positionFile}.new`, positionFile);
}
