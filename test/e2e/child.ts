import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

export const WEIR = join(import.meta.dirname, "../../adapters/cli/weir.js");

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one weir command to its end, in a folder. */
export async function runWeir(cwd: string, ...args: readonly string[]): Promise<Ended> {
  const child = execFile(process.execPath, [WEIR, ...args], { cwd, env: envOf() });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    once(child, "exit") as Promise<[number]>,
  ]);
  return { code, stderr, stdout };
}

/** A real `weir start` on free ports. */
export interface Started {
  readonly child: ChildProcess;
  readonly grpc: string;
  readonly http: string;
  readonly exited: Promise<unknown>;
  readonly noted: Promise<string>;
}

/** Starts the service as a process of its own; resolves when it is ready. */
export async function startWeir(cwd: string, ...flags: readonly string[]): Promise<Started> {
  const listens = ["--grpc-listen", "--http-listen"].filter((flag) => !flags.includes(flag));
  const ports = listens.flatMap((flag) => [flag, "127.0.0.1:0"]);
  const child = spawn(process.execPath, [WEIR, "start", "--json", ...ports, ...flags], {
    cwd,
    env: envOf(),
  });
  const noted = text(child.stderr);
  const exited = once(child, "exit");
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    exited,
  ])) as [unknown];
  if (typeof line !== "string" || !line.includes('"grpc"'))
    throw new Error(`weir start: ${String(line)} ${await noted}`);
  const { grpc, http } = JSON.parse(line) as { readonly grpc: string; readonly http: string };
  return { child, exited, grpc, http, noted };
}

function envOf(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("WEIR_")),
  );
}
