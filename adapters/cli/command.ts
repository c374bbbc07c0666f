import type { Terminal } from "./terminal.ts";

/** A flag of a command. */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** What its value is called in help; absent: the flag takes none. */
  readonly placeholder?: string;
  readonly mandatory?: boolean;
  readonly doc: string;
}

/** One command, as the table declares it. */
export interface Command {
  /** One word or two: "start", "key create". */
  readonly name: string;
  readonly summary: string;
  /** Positional arguments, all mandatory. */
  readonly positionals: readonly { readonly name: string; readonly doc: string }[];
  readonly flags: readonly Flag[];
  /** Whether the settings of the service are flags of this command too. */
  readonly settings: boolean;
  /** Loads the module only when the command runs, so that help is fast. */
  readonly load: () => Promise<CommandModule>;
}

/** What a module in `commands/` exports. */
export interface CommandModule {
  /** Runs the command; resolves to the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** A command line, taken apart and checked against the table. */
export interface Invocation {
  readonly command: Command;
  /** By the name of the positional argument. */
  readonly positionals: Readonly<Record<string, string>>;
  /** Values of the command's own flags; "" for one without a value. */
  readonly flags: Readonly<Record<string, string>>;
  /** Settings given as flags, and --config. */
  readonly settings: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly terminal: Terminal;
}

/** A command line that makes no sense: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
