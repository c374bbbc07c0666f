import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Invocation } from "../command.ts";
import { SHIPPED_TRACE } from "../demo/host.ts";
import { Progress, type Screen } from "../demo/progress.ts";
import { isSound, toJson, toText } from "../demo/report.ts";
import { runDemo } from "../demo/run.ts";
import { readTrace } from "../demo/trace.ts";
import { EXIT } from "../exit.ts";
import { readNumber } from "../read-number.ts";
import { styleOf } from "../style.ts";
import { showsColor, type Terminal } from "../terminal.ts";

const DEFAULT_SEED = 1;
const DEFAULT_CALLS = 2_000;
const WIDTH_MIN = 80;

/** Hosts the service and sends it a day's trouble; exit code 1 if the money does not add up. */
export async function run({ flags, json, terminal }: Invocation): Promise<number> {
  const seed = readNumber(flags, "seed", 0, 2 ** 32 - 1, DEFAULT_SEED);
  const calls = readNumber(flags, "calls", 1, 1_000_000, DEFAULT_CALLS);
  const speed = readNumber(flags, "speed", 1, 1_000_000, 0);
  const file = flags["trace"] === undefined ? SHIPPED_TRACE : resolve(terminal.cwd, flags["trace"]);
  const trace = await readTrace(file, calls);
  const folder = openFolder(flags["data"], terminal.cwd);
  try {
    const progress = new Progress(screenOf(json, terminal), speed);
    const result = await runDemo(
      {
        data: folder.path,
        trace,
        seed,
        onFault: (error) => terminal.note(`${error.code}: ${error.message}`),
      },
      progress,
    );
    const layout = { style: styleOf(terminal.color), width: widthOf(process.stdout) };
    const told = { kept: folder.kept, seed, warmUpCalls: result.warmUpCalls };
    terminal.print(json ? toJson(result) : toText(result, told, layout));
    return isSound(result) ? EXIT.ok : EXIT.fault;
  } finally {
    folder.close();
  }
}

/** The folder asked for, or one that is gone when the demo ends, however it ends. */
function openFolder(asked: string | undefined, cwd: string) {
  if (asked !== undefined) {
    const path = resolve(cwd, asked);
    return { path, kept: asked, close: () => undefined };
  }
  const path = mkdtempSync(join(tmpdir(), "weir-demo-"));
  const remove = () => rmSync(path, { force: true, recursive: true });
  const interrupted = () => {
    remove();
    process.exit(EXIT.fault);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, interrupted);
  const close = () => {
    for (const signal of signals) process.off(signal, interrupted);
    remove();
  };
  return { path, kept: null, close };
}

/** Progress is for people: with --json it shows on a terminal or not at all. */
function screenOf(json: boolean, terminal: Terminal): Screen {
  const { stderr } = process;
  const obeys = stderr.isTTY && terminal.env["TERM"] !== "dumb";
  return {
    draw: obeys ? (text) => void stderr.write(text) : null,
    note: json && !obeys ? () => undefined : (line) => terminal.note(line),
    style: styleOf(showsColor(stderr.isTTY, terminal.env)),
  };
}

function widthOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY ? Math.max(WIDTH_MIN, stream.columns) : Number.POSITIVE_INFINITY;
}
