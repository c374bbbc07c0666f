import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompressSync } from "node:zlib";

import { WeirError } from "../../engine/errors.ts";

const HERE = import.meta.dirname;
/** The runner beside this file, compiled as this file is. */
const RUNNER = join(HERE, `wasi-process${extname(import.meta.filename)}`);
const CHECKOUT_CACHE = join(HERE, "../../.cache");

/** The checked-in compressed module and the file that says what it is. */
export const MODULE_FILE = join(HERE, "compiler/opac.wasm.br");
export const STAMP_FILE = join(HERE, "compiler/opac.sha256");

/** What made the module, and the digest of the module itself. */
export interface Stamp {
  readonly go: string;
  readonly opa: string;
  /** SHA-256 of the raw module, lower-case hex. */
  readonly sha256: string;
}

/** Answer to one command: a result, or at least one error in words. */
export interface Answer {
  readonly command: string;
  readonly errors: readonly string[];
  readonly result: unknown;
}

/** Reads what the checked-in module says it is. */
export function readStamp(): Stamp {
  return JSON.parse(readFileSync(STAMP_FILE, "utf8")) as Stamp;
}

/**
 * Runs OPA's compiler over commands, all in one process, and answers each in order. `folders` maps
 * the module's paths to the machine's; "/" is the root that relative paths start from.
 */
export async function runCompiler(
  folders: Readonly<Record<string, string>>,
  commands: readonly (readonly string[])[],
): Promise<readonly Answer[]> {
  const args = commands.flatMap((command) => [...command, "--"]);
  const { stdout } = await start([
    "--disable-warning=ExperimentalWarning",
    RUNNER,
    openModule(),
    JSON.stringify(folders),
    ...args,
  ]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
}

async function start(args: readonly string[]): Promise<{ stdout: string }> {
  try {
    return await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new WeirError(
      "internal",
      `the policy compiler failed: ${(stderr ?? "").slice(0, 2000).trim()}`,
      { cause },
    );
  }
}

/** In a checkout beside it; an installed package may lie where nobody may write. */
function cacheFolder(): string {
  if (RUNNER.endsWith(".ts")) return CHECKOUT_CACHE;
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "weir");
}

/** Decompresses the module once per digest and gives its path; an altered module is refused. */
function openModule(): string {
  const { sha256 } = readStamp();
  const cache = cacheFolder();
  const path = join(cache, `opac-${sha256.slice(0, 16)}.wasm`);
  if (existsSync(path)) return path;
  const raw = brotliDecompressSync(readFileSync(MODULE_FILE));
  const actual = createHash("sha256").update(raw).digest("hex");
  if (actual !== sha256) {
    throw new WeirError(
      "bundle.invalid",
      `the policy compiler has digest ${actual}, expected ${sha256}`,
    );
  }
  mkdirSync(cache, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, raw);
  renameSync(unfinished, path);
  return path;
}
