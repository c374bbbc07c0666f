import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WeirError } from "../../../engine/errors.ts";
import { type Address, formatAddress } from "../../config/values.ts";

/** How an Envoy is started. */
export interface EnvoyRun {
  /** Path of the program. */
  readonly program: string;
  /** Configuration, YAML or JSON. */
  readonly configuration: string;
  readonly admin: Address;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** An Envoy that serves. */
export interface RunningEnvoy {
  readonly process: ChildProcess;
  /** Everything it wrote. */
  output(): string;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** A loaded machine may take long to start it. */
const START_MS = 60_000;
const STOP_MS = 5_000;

/**
 * Starts Envoy and waits until it serves.
 * @throws WeirError `config.invalid` with what Envoy said, where it ends or does not come up
 */
export async function runEnvoy(run: EnvoyRun): Promise<RunningEnvoy> {
  const folder = mkdtempSync(join(tmpdir(), "weir-envoy-"));
  const file = join(folder, "envoy.json");
  writeFileSync(file, run.configuration, { mode: 0o600 });
  // No shared memory with other Envoys of this machine, one worker: it is small traffic.
  const flags = ["-c", file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"];
  const child = spawn(run.program, flags, { env: run.env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-65_536);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => {
      output += error.message;
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const ended = await Promise.race([
      exited.then(() => true),
      sleep(STOP_MS, false, { ref: false }),
    ]);
    if (!ended) child.kill("SIGKILL");
    await exited;
    rmSync(folder, { force: true, recursive: true });
  };
  let isGone = false;
  void exited.then(() => {
    isGone = true;
  });
  const deadline = Date.now() + START_MS;
  while (!(await isReady(run.admin))) {
    if (!isGone && Date.now() < deadline) {
      await sleep(50);
      continue;
    }
    await stop();
    const why = isGone ? "ended" : "did not come up";
    throw new WeirError("config.invalid", `envoy ${why}: ${lastLines(output)}`);
  }
  return { output: () => output, process: child, stop };
}

async function isReady(admin: Address): Promise<boolean> {
  try {
    const answer = await fetch(`http://${formatAddress(admin)}/ready`);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

function lastLines(output: string): string {
  return output.trim().split("\n").slice(-4).join(" ").slice(-600);
}
