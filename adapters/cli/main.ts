import { WeirError } from "../../engine/errors.ts";
import { findCommand, parseArguments, unknownCommand } from "./arguments.ts";
import { type Command, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT } from "./exit.ts";
import { renderCommandHelp, renderHelp } from "./help.ts";
import type { Terminal } from "./terminal.ts";

/** Runs one command line; resolves to the exit code and never rejects. */
export async function runWeir(
  argv: readonly string[],
  terminal: Terminal,
  commands: readonly Command[] = COMMANDS,
): Promise<number> {
  try {
    return await dispatch(argv, terminal, commands);
  } catch (thrown) {
    return refuse(thrown, argv.includes("--json"), terminal);
  }
}

async function dispatch(
  argv: readonly string[],
  terminal: Terminal,
  commands: readonly Command[],
): Promise<number> {
  const [first, ...others] = argv;
  if (first === undefined) {
    terminal.note(renderHelp(commands));
    return EXIT.usage;
  }
  if (first === "--version") return dispatch(["version", ...others], terminal, commands);
  if (first === "help" || first === "--help" || first === "-h") {
    return explain(
      others.filter((word) => !word.startsWith("-")),
      terminal,
      commands,
    );
  }
  const found = findCommand(argv, commands);
  if (found === null) {
    if (others.some((word) => word === "--help" || word === "-h")) {
      return explain([first], terminal, commands);
    }
    throw unknownCommand(argv, commands);
  }
  const { help, ...invocation } = parseArguments(found.command, found.rest);
  if (help) {
    terminal.print(renderCommandHelp(found.command));
    return EXIT.ok;
  }
  const module = await found.command.load();
  return module.run({ ...invocation, terminal });
}

function explain(
  words: readonly string[],
  terminal: Terminal,
  commands: readonly Command[],
): number {
  const name = words.join(" ");
  const meant = commands.filter(
    (command) => command.name === name || command.name.startsWith(`${name} `),
  );
  if (name !== "" && meant.length === 0) throw unknownCommand(words, commands);
  terminal.print(name === "" ? renderHelp(commands) : meant.map(renderCommandHelp).join("\n\n"));
  return EXIT.ok;
}

function refuse(thrown: unknown, json: boolean, terminal: Terminal): number {
  const { code, message, violations, exit } = describe(thrown);
  if (json) {
    terminal.print(JSON.stringify({ error: { code, message, violations } }));
    return exit;
  }
  terminal.note(`weir: ${message}`);
  // The message of a refused intent carries the first violation already.
  if (violations.length > 1) {
    for (const { field, description } of violations) terminal.note(`  ${field}: ${description}`);
  }
  if (thrown instanceof UsageError) terminal.note("weir --help lists every command and flag");
  return exit;
}

function describe(thrown: unknown) {
  if (thrown instanceof UsageError) {
    return { code: "usage", message: thrown.message, violations: [], exit: EXIT.usage };
  }
  const error = WeirError.from(thrown);
  const exit = error.code === "config.invalid" ? EXIT.usage : EXIT.fault;
  // On one's own terminal the cause of a fault is no secret, and all there is to go by.
  const cause = error.code === "internal" ? `: ${String(error.cause)}` : "";
  return { code: error.code, message: error.message + cause, violations: error.violations, exit };
}
