import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { WeirError } from "../../engine/errors.ts";
import { nearest } from "../nearest.ts";
import { flagOf, OTHER_VARIABLES, variableOf } from "./settings.ts";

/** What somebody wrote for a setting, and where. */
export interface Given {
  readonly text: string;
  /** "flag --mode", "variable WEIR_MODE", "weir.yaml:3". */
  readonly source: string;
  /** Where a relative path starts. */
  readonly folder: string;
}

/** Texts of settings by name. */
export type GivenByName = ReadonlyMap<string, Given>;

/** Settings given as flags; a flag that is none is an error. */
export function fromFlags(
  flags: Readonly<Record<string, string>>,
  names: readonly string[],
  cwd: string,
): GivenByName {
  const byFlag = new Map(names.map((name) => [flagOf(name), name]));
  const given = new Map<string, Given>();
  for (const [flag, text] of Object.entries(flags)) {
    if (flag === "config") continue;
    const name = byFlag.get(flag);
    if (name === undefined) {
      const near = nearest(flag, [...byFlag.keys(), "config"]);
      throw unknown(`flag --${flag}`, `--${near}`);
    }
    given.set(name, { text, source: `flag --${flag}`, folder: cwd });
  }
  return given;
}

/** Settings given as variables; one that starts with WEIR_ and is none is an error. */
export function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  cwd: string,
): GivenByName {
  const byVariable = new Map(names.map((name) => [variableOf(name), name]));
  const given = new Map<string, Given>();
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("WEIR_") || text === undefined) continue;
    if (Object.hasOwn(OTHER_VARIABLES, variable) || SERVICE_LINK.test(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) {
      const near = nearest(variable, [...byVariable.keys(), ...Object.keys(OTHER_VARIABLES)]);
      throw unknown(`variable ${variable}`, near);
    }
    given.set(name, { text, source: `variable ${variable}`, folder: cwd });
  }
  return given;
}

// Kubernetes sets these in every container of a namespace that has a service named weir or weir-….
const SERVICE_LINK =
  /^WEIR_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

/** Largest configuration file read, bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Settings given in a file; null where the file may be missing and is. */
export async function fromFile(
  file: { readonly path: string; readonly mandatory: boolean },
  names: readonly string[],
  cwd: string,
): Promise<GivenByName | null> {
  const absolute = resolve(cwd, file.path);
  const text = readText(absolute, file);
  if (text === null) return null;
  const { readEntries } = await import("./yaml.ts");
  const given = new Map<string, Given>();
  for (const { key, value, line } of readEntries(text, file.path)) {
    if (!names.includes(key)) {
      throw unknown(`key ${key} (${file.path}:${line})`, nearest(key, names));
    }
    const folder = resolve(absolute, "..");
    given.set(key, { text: value, source: `${file.path}:${line}`, folder });
  }
  return given;
}

function readText(
  absolute: string,
  file: { readonly path: string; readonly mandatory: boolean },
): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(absolute);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    if (missing && !file.mandatory) return null;
    const why = missing ? "there is no such file" : (cause as Error).message;
    throw new WeirError("config.invalid", `configuration file ${file.path}: ${why}`, { cause });
  }
  if (bytes.length > FILE_BYTES_MAX) {
    const message = `configuration file ${file.path}: ${bytes.length} bytes, at most ${FILE_BYTES_MAX} are accepted`;
    throw new WeirError("config.invalid", message);
  }
  return bytes.toString("utf8");
}

function unknown(what: string, near: string): WeirError {
  return new WeirError("config.invalid", `unknown ${what}; the nearest valid one is ${near}`);
}
