import { SETTINGS, flagOf } from "../config/settings.ts";
import { nearest } from "../nearest.ts";
import { type Command, type Flag, type Invocation, UsageError } from "./command.ts";

/** Flags that every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "json", doc: "print one JSON document instead of text" },
  { name: "help", doc: "explain the command" },
];

/** Flags of every command that reads the configuration. */
export const SETTING_FLAGS: readonly Flag[] = [
  {
    name: "config",
    placeholder: "PATH",
    doc: "configuration file; default ./weir.yaml if it exists",
  },
  ...Object.values(SETTINGS).map(({ name, type, doc }) => ({
    name: flagOf(name),
    placeholder: type.placeholder,
    doc,
  })),
];

/** The command a line names and the words after the name; null if it names none. */
export function findCommand(
  argv: readonly string[],
  commands: readonly Command[],
): { readonly command: Command; readonly rest: readonly string[] } | null {
  for (const words of [2, 1]) {
    const name = argv.slice(0, words).join(" ");
    const command = commands.find((candidate) => candidate.name === name);
    if (command !== undefined && argv.length >= words) return { command, rest: argv.slice(words) };
  }
  return null;
}

/** Why a line names no command, and what was probably meant. */
export function unknownCommand(argv: readonly string[], commands: readonly Command[]): UsageError {
  const [first = ""] = argv;
  const names = commands.map(({ name }) => name);
  const group = names.filter((name) => name.startsWith(`${first} `));
  if (group.length > 0)
    return new UsageError(`${first} is not complete; accepted are ${group.join(", ")}`);
  const near = nearest(first, [...names, "help"]);
  return new UsageError(`unknown command ${first}; the nearest valid one is ${near}`);
}

/** Sorts the words after a command's name by what the command declares. */
export function parseArguments(
  command: Command,
  words: readonly string[],
): Omit<Invocation, "terminal"> & { readonly help: boolean } {
  const declared = [...command.flags, ...(command.settings ? SETTING_FLAGS : []), ...COMMON_FLAGS];
  const { given, plain } = split(command, words, declared);
  const help = given.delete("help");
  const json = given.delete("json");
  const positionals = help ? {} : bindPositionals(command, plain);
  const flags: Record<string, string> = {};
  const settings: Record<string, string> = {};
  for (const [name, value] of given) {
    const own = command.flags.some((flag) => flag.name === name);
    (own ? flags : settings)[name] = value;
  }
  for (const { name, mandatory, placeholder } of command.flags) {
    if (mandatory === true && !help && flags[name] === undefined) {
      throw new UsageError(`${command.name} needs --${name} ${placeholder}`);
    }
  }
  return { command, positionals, flags, settings, json, help };
}

function split(command: Command, words: readonly string[], declared: readonly Flag[]) {
  const given = new Map<string, string>();
  const plain: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === "--") {
      plain.push(...queue.splice(0));
    } else if (word === "-h") {
      given.set("help", "");
    } else if (word.startsWith("-") && word !== "-") {
      const [name, value] = readFlag(command, word, queue, declared);
      if (given.has(name)) throw new UsageError(`--${name} is given twice`);
      given.set(name, value);
    } else {
      plain.push(word);
    }
  }
  return { given, plain };
}

function readFlag(
  command: Command,
  word: string,
  queue: string[],
  declared: readonly Flag[],
): readonly [string, string] {
  const match = /^--?([^=]*)(?:=(.*))?$/s.exec(word);
  const name = match?.[1] ?? "";
  const attached = match?.[2];
  const flag = word.startsWith("--") ? declared.find((one) => one.name === name) : undefined;
  if (flag === undefined) {
    const near = nearest(
      name,
      declared.map((one) => one.name),
    );
    throw new UsageError(`${command.name} has no flag ${word}; the nearest valid one is --${near}`);
  }
  if (flag.placeholder === undefined) {
    if (attached !== undefined) throw new UsageError(`--${name} takes no value`);
    return [name, ""];
  }
  const value = attached ?? (queue[0]?.startsWith("--") === true ? undefined : queue.shift());
  if (value === undefined)
    throw new UsageError(`--${name} needs a value: --${name} ${flag.placeholder}`);
  return [name, value];
}

function bindPositionals(command: Command, plain: readonly string[]): Record<string, string> {
  const expected = command.positionals.map(({ name }) => name);
  if (plain.length !== expected.length) {
    const usage = ["weir", command.name, ...expected].join(" ");
    const extra = plain[expected.length];
    const why =
      extra === undefined ? `${expected[plain.length]} is missing` : `${extra} is too much`;
    throw new UsageError(`${why}; usage: ${usage}`);
  }
  return Object.fromEntries(expected.map((name, index) => [name, plain[index] ?? ""]));
}
