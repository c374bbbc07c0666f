import { WeirError } from "../engine/errors.ts";
import { SETTINGS, type Settings } from "./config/settings.ts";
import { fromEnvironment, fromFile, fromFlags, type Given } from "./config/sources.ts";
import type { ValueType } from "./config/values.ts";

export { isLoopback } from "./config/values.ts";

/** The settings in force, frozen. */
export interface Config extends Settings {
  /** The configuration file that was read, or null. */
  readonly file: string | null;
}

/** Everything a configuration comes from. */
export interface ConfigSources {
  /** Flags as given, without dashes: { "grpc-listen": "127.0.0.1:0" }. */
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder in which weir.yaml is looked for and at which relative paths of flags start. */
  readonly cwd: string;
}

/**
 * Flags override variables override the file override the defaults. An unknown name in any of them
 * and a value that is not accepted are `config.invalid`, with the place and what is accepted.
 */
export async function loadConfig({ flags, env, cwd }: ConfigSources): Promise<Config> {
  const names = Object.values(SETTINGS).map(({ name }) => name);
  const byFlag = fromFlags(flags, names, cwd);
  const byVariable = fromEnvironment(env, names, cwd);
  const asked = flags["config"] ?? env["WEIR_CONFIG"];
  const file = { path: asked ?? "weir.yaml", mandatory: asked !== undefined };
  const byFile = await fromFile(file, names, cwd);
  const values: Record<string, unknown> = { file: byFile === null ? null : file.path };
  for (const [key, setting] of Object.entries(SETTINGS)) {
    const { name } = setting;
    const given = byFlag.get(name) ?? byVariable.get(name) ?? byFile?.get(name);
    const effective = given ?? { text: setting.default, source: "default", folder: cwd };
    values[key] = readGiven<unknown>(setting.type, name, effective);
  }
  // The mapped type of SETTINGS ties each key to the type its reader returns.
  return Object.freeze(values) as unknown as Config;
}

// Who may log in somewhere is not for error messages.
const PASSWORD = /:\/\/[^@]*@/;

/** Reads one text as a value of its type; `config.invalid` names the text, its source and what is accepted. */
export function readGiven<Value>(type: ValueType<Value>, name: string, given: Given): Value {
  const value = type.read(given.text.trim(), given.folder);
  if (value !== undefined) return value;
  const open = given.text.replace(PASSWORD, "://***@");
  const shown = open.length > 60 ? `${open.slice(0, 60)}…` : open;
  const description = `${JSON.stringify(shown)} (${given.source}) is not accepted; accepted is ${type.accepts}`;
  throw new WeirError("config.invalid", `${name}: ${description}`, {
    violations: [{ field: name, description }],
  });
}
