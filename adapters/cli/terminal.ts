import { text } from "node:stream/consumers";

/** What a command may touch of the process it runs in. */
export interface Terminal {
  /** Writes a line to standard output: the result. */
  print(line: string): void;
  /** Writes a line to standard error: everything else. */
  note(line: string): void;
  /** All of standard input. */
  readInput(): Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether standard output shows colours. */
  readonly color: boolean;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  // A reader that has seen enough, as in `weir … | head -1`, is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    readInput: () => text(process.stdin),
    env: process.env,
    cwd: process.cwd(),
    color: showsColor(process.stdout.isTTY, process.env),
  };
}

/** Colours go to a terminal only, and not where NO_COLOR is set or the terminal is dumb. */
export function showsColor(
  isTerminal: boolean | undefined,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return isTerminal === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
