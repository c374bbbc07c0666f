import { flagOf, OTHER_VARIABLES, SETTINGS, variableOf } from "../config/settings.ts";
import { COMMON_FLAGS } from "./arguments.ts";
import type { Command, Flag } from "./command.ts";

type Row = readonly [string, string];

/** The whole manual: commands, flags, settings, variables. */
export function renderHelp(commands: readonly Command[]): string {
  return [
    "weir: decides, prices and reserves every model call before it runs",
    "",
    "usage: weir COMMAND [FLAGS]",
    ...section(
      "commands",
      commands.map(({ name, summary, ...rest }) => [usageOf({ name, ...rest }), summary]),
    ),
    "",
    "weir help COMMAND explains one.",
    ...section("flags of every command", COMMON_FLAGS.map(rowOf)),
    ...section("flags of one command", commands.flatMap(ownFlagRows)),
    ...settingsSection(),
    ...section("other variables", Object.entries(OTHER_VARIABLES)),
  ].join("\n");
}

/** One command: usage, arguments, flags, and the settings it reads. */
export function renderCommandHelp(command: Command): string {
  const { name, summary, positionals, flags, settings } = command;
  return [
    `weir ${name}: ${summary}`,
    "",
    `usage: weir ${usageOf(command)} [FLAGS]`,
    ...section(
      "arguments",
      positionals.map((one): Row => [one.name, one.doc]),
    ),
    ...section("flags", [...flags, ...COMMON_FLAGS].map(rowOf)),
    ...(settings ? settingsSection() : []),
  ].join("\n");
}

function ownFlagRows({ name, flags }: Command): readonly Row[] {
  return flags.map((flag) => [`${name} ${rowOf(flag)[0]}`, flag.doc]);
}

function usageOf({
  name,
  positionals,
  flags,
}: Pick<Command, "name" | "positionals" | "flags">): string {
  const mandatory = flags.filter((flag) => flag.mandatory === true).map((flag) => rowOf(flag)[0]);
  return [name, ...positionals.map((one) => one.name), ...mandatory].join(" ");
}

function rowOf({ name, placeholder, doc }: Flag): Row {
  return [placeholder === undefined ? `--${name}` : `--${name} ${placeholder}`, doc];
}

/** A flag overrides its variable, which overrides the file, which overrides the default. */
function settingsSection(): readonly string[] {
  const rows = Object.values(SETTINGS).flatMap((setting): Row[] => {
    const { name, type, doc, defaultShown = setting.default } = setting;
    return [
      [`--${flagOf(name)} ${type.placeholder}`, doc],
      ["", `default ${defaultShown}; variable ${variableOf(name)}; key ${name} in the file`],
    ];
  });
  return [
    ...section("settings (a flag overrides the variable, the variable overrides the file)", [
      [
        "--config PATH",
        "configuration file; default ./weir.yaml if it exists; variable WEIR_CONFIG",
      ],
      ...rows,
    ]),
  ];
}

function section(title: string, rows: readonly Row[]): readonly string[] {
  if (rows.length === 0) return [];
  const width = Math.max(...rows.map(([left]) => left.length));
  return ["", `${title}:`, ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)];
}
