import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";
import type { BundleStatus } from "../../engine/operator/bundles.ts";
import { readVersion } from "../system/version.ts";
import type { Config } from "../config.ts";
import { postJson } from "../upload/post.ts";
import { statusReport } from "../upload/status-report.ts";
import type { UploadProgress } from "../upload/uploader.ts";
import { dataLayout } from "./local-storage.ts";
import type { UploadWork } from "./upload-worker.ts";

/** Decision logs and status on their way to the server that collects them. */
export interface UploadHost {
  progress(): UploadProgress;
  /** For how long something in the log has not been sent, seconds. */
  lagSeconds(): number;
  /** The bundle changed, or failed to: the next report goes out now. */
  reportStatus(): void;
  stop(): Promise<void>;
}

const STATUS_MS = 30_000;
const QUIET_MS = 60_000;
const STOP_MS = 5_000;
const NOTHING: UploadProgress = { caughtUp: false, dropped: 0, problem: "", sent: 0 };

/** Starts both. `onFault` is told what goes wrong, each thing once a minute at most. */
export async function startUpload(
  config: Config & { readonly opaService: string },
  bundle: () => BundleStatus,
  onFault: (error: WeirError) => void,
): Promise<UploadHost> {
  const folder = join(config.data, "upload");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const base = config.opaService.replace(/\/$/, "");
  const labels = { app: "weir", id: idOf(folder), version: await readVersion() } as const;
  const work: UploadWork = {
    labels,
    limitBytes: config.opaUploadLimit,
    logFolder: dataLayout(config.data).log,
    positionFile: join(folder, "position"),
    token: config.opaToken,
    url: `${base}/logs`,
  };
  return new Host(work, `${base}/status`, bundle, onFault);
}

/** Which data folder this is; made once. */
function idOf(folder: string): string {
  const path = join(folder, "id");
  if (!existsSync(path)) writeFileSync(path, `${randomUUID()}\n`, { mode: 0o600 });
  return readFileSync(path, "utf8").trim();
}

class Host implements UploadHost {
  readonly #work: UploadWork;
  readonly #statusUrl: string;
  readonly #bundle: () => BundleStatus;
  readonly #onFault: (error: WeirError) => void;
  readonly #worker: Worker;
  readonly #aborter = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #told = new Map<string, number>();
  #progress = NOTHING;
  #caughtUpMs = performance.now();
  #reporting: Promise<void> = Promise.resolve();

  constructor(
    work: UploadWork,
    statusUrl: string,
    bundle: () => BundleStatus,
    onFault: (error: WeirError) => void,
  ) {
    this.#work = work;
    this.#statusUrl = statusUrl;
    this.#bundle = bundle;
    this.#onFault = onFault;
    // A module of the sources is .ts; the compiled package has .js, as this file has then.
    const url = new URL(`./upload-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(url, { execArgv: [], workerData: work });
    this.#worker.unref();
    this.#worker.on("message", (progress: UploadProgress) => this.#hear(progress));
    this.#worker.on("error", (cause) => {
      const problem = `the thread that sends decision logs failed: ${String(cause)}`;
      this.#hear({ ...this.#progress, caughtUp: false, problem });
    });
    this.#timer = setInterval(() => this.reportStatus(), STATUS_MS).unref();
    this.reportStatus();
  }

  progress(): UploadProgress {
    return this.#progress;
  }

  lagSeconds(): number {
    return (performance.now() - this.#caughtUpMs) / 1_000;
  }

  reportStatus(): void {
    this.#reporting = this.#reporting.then(() => this.#postStatus());
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#aborter.abort();
    await this.#reporting;
    // What is on its way is waited for; what is not sent is sent after the next start.
    const ended = once(this.#worker, "exit").catch(() => undefined);
    this.#worker.postMessage("stop", []);
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
    await this.#worker.terminate();
  }

  async #postStatus(): Promise<void> {
    const { signal } = this.#aborter;
    if (signal.aborted) return;
    const { labels, token } = this.#work;
    const report = statusReport(this.#bundle(), this.#progress, labels);
    const body = gzipSync(JSON.stringify(report));
    const posted = await postJson({ body, signal, token, url: this.#statusUrl });
    if (posted.kind !== "taken" && !signal.aborted) this.#tell(posted.why);
  }

  #hear(progress: UploadProgress): void {
    this.#progress = progress;
    if (progress.caughtUp) this.#caughtUpMs = performance.now();
    if (progress.problem !== "") this.#tell(progress.problem);
  }

  #tell(problem: string): void {
    // Decisions that are dropped one after the other are one thing that goes wrong.
    const kind = problem.replace(/^decision \S+/, "");
    const nowMs = performance.now();
    if (nowMs - (this.#told.get(kind) ?? -QUIET_MS) < QUIET_MS) return;
    if (this.#told.size > 16) this.#told.clear();
    this.#told.set(kind, nowMs);
    this.#onFault(new WeirError("upload.failed", problem));
  }
}
