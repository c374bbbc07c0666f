import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** `weir start` as a process of its own, which can be stopped, frozen and killed. */
export interface WeirProcess {
  readonly child: ChildProcess;
  /** Where it serves Envoy, "127.0.0.1:PORT". */
  readonly envoy: string;
  /** Sends a signal that ends it and waits until it has ended; its exit code, null where it was killed. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const SCRIPT = join(import.meta.dirname, "../../adapters/cli/weir.ts");

/** Starts it in a folder and waits until it serves; what it notes goes to the test's own output. */
export async function startWeirProcess(
  cwd: string,
  flags: Readonly<Record<string, string>>,
): Promise<WeirProcess> {
  const free = { "grpc-listen": "127.0.0.1:0", "http-listen": "127.0.0.1:0" };
  const words = Object.entries({ ...free, ...flags }).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [SCRIPT, "start", "--json", ...words], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let noted = "";
  child.stderr.on("data", (chunk: Buffer) => {
    noted += chunk.toString();
  });
  const ended = once(child, "exit");
  const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [Buffer | number];
  if (!(line instanceof Buffer)) throw new Error(`weir ended with ${child.exitCode}: ${noted}`);
  const { envoy } = JSON.parse(line.toString()) as { readonly envoy: string };
  return {
    child,
    end: async (signal) => {
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
    envoy,
  };
}
