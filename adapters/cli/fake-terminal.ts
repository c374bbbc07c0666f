import type { Terminal } from "./terminal.ts";

/** A terminal that keeps what is written, for tests. */
export interface FakeTerminal extends Terminal {
  readonly printed: string[];
  readonly noted: string[];
}

/** Opens one in a folder, with an environment and something to read. */
export function fakeTerminal(
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  input = "",
): FakeTerminal {
  const printed: string[] = [];
  const noted: string[] = [];
  return {
    printed,
    noted,
    print: (line) => void printed.push(line),
    note: (line) => void noted.push(line),
    readInput: () => Promise.resolve(input),
    env,
    cwd,
    color: false,
  };
}
