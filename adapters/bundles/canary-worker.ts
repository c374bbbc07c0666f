/** Judges with a second bundle what the first one judged; see `canary.ts`. */
import { appendFileSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

import { WeirError } from "../../engine/errors.ts";
import { type Bundle, type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import { Progress } from "./progress.ts";

export interface CanaryTask {
  readonly files: BundleFiles;
  readonly progress: SharedArrayBuffer;
  /** Where differences are written, a line of JSON each. */
  readonly file: string;
}

/** A policy input with what the bundle that decides made of it. */
export interface Judged {
  readonly input: string;
  /** Canonical JSON; null: a fault. */
  readonly verdict: string | null;
  /** Digest of the bundle that decides. */
  readonly digest: string;
}

export type CanaryReply =
  | { readonly kind: "judged"; readonly judged: number; readonly differences: number }
  | { readonly kind: "stopped"; readonly why: string };

/** Differences behind it are counted and no longer written. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error("this module runs as a worker thread");
const { file, files, progress } = workerData as CanaryTask;
const say = (reply: CanaryReply): void => port.postMessage(reply, []);
const seen = new Progress(progress);
let written = existsSync(file) ? statSync(file).size : 0;

try {
  const bundle = openBundle(files);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  port.on("message", (batch: readonly Judged[]) => {
    const differences = batch.filter((one) => differs(bundle, one)).length;
    say({ differences, judged: batch.length, kind: "judged" });
  });
} catch (thrown) {
  say({ kind: "stopped", why: WeirError.from(thrown).message });
}

function differs({ digest, policy }: Bundle, { input, verdict, digest: active }: Judged): boolean {
  seen.begin(digest);
  const { fault, text } = policy.evaluate(input);
  seen.end();
  const own = text?.text ?? null;
  if (own === verdict) return false;
  // All of it is JSON text already.
  const members = [
    `"active":{"digest":"${active}","verdict":${verdict ?? "null"}}`,
    `"canary":{"digest":"${digest}","fault":${JSON.stringify(fault)},"verdict":${own ?? "null"}}`,
    `"input":${input}`,
  ];
  write(`{${members.join(",")}}\n`);
  return true;
}

function write(line: string): void {
  const bytes = Buffer.byteLength(line);
  if (written + bytes > FILE_BYTES_MAX) return;
  appendFileSync(file, line, { mode: 0o600 });
  written += bytes;
}
