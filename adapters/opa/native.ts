import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { WeirError } from "../../engine/errors.ts";
import { CAPABILITIES, inTemporaryFolder } from "./compile.ts";
import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { readFacts } from "./facts.ts";
import { writeManifest } from "./manifest.ts";
import { type Answered, type Configured, ofConfigured } from "./evaluate-in-opa.ts";

/** Compiles `policies/` below `root` with an `opa` binary: the same bytes as with the shipped module. */
export async function buildWithOpa(opa: string, root: string): Promise<BundleFiles> {
  const [wasm, data] = await inTemporaryFolder(async (out) => {
    await compile(opa, root, out);
    const read = (name: string) => readFileSync(join(out, name));
    return [read("policy.wasm"), formatData(JSON.parse(read("data.json").toString("utf8")))];
  });
  const [version] = (await run(opa, ["version"], root)).match(/\d+\.\d+\.\d+/) ?? [""];
  const { rules } = await readFacts(root);
  return { wasm, data, manifest: writeManifest(wasm, data, version, rules) };
}

async function compile(opa: string, root: string, out: string): Promise<void> {
  const archive = join(out, "bundle.tar.gz");
  const entrypoint = ["-e", "weir/decision", "--capabilities", CAPABILITIES];
  const sources = ["-b", "policies", "--ignore", "*_test.rego"];
  await run(opa, ["build", "-t", "wasm", ...entrypoint, ...sources, "-o", archive], root);
  // OPA gives the path of the module a slash in front, of the data too.
  await run("tar", ["-xzf", archive, "-C", out, "/policy.wasm", "/data.json"], out);
}

/** As Go's encoder writes it: keys sorted, one blank of indentation, what HTML obeys escaped. */
function formatData(data: unknown): string {
  const text = JSON.stringify(data, (_, value: unknown) => sorted(value), 1);
  const escaped = text.replaceAll(/[<>&\u2028\u2029]/g, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `${escaped}\n`;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Asks a query once for each input, with an `opa` program, all in one run. */
export async function evaluateWithOpa(
  opa: string,
  root: string,
  query: string,
  inputs: readonly unknown[],
): Promise<readonly Answered[]> {
  return evaluateEach(opa, root, `${query} with input as x`, inputs);
}

/** The same with sections of the configuration in the place of the policies' own. */
export async function evaluateConfiguredWithOpa(
  opa: string,
  root: string,
  query: string,
  asked: readonly Configured[],
): Promise<readonly Answered[]> {
  return evaluateEach(opa, root, ofConfigured(query, "x"), asked);
}

async function evaluateEach(
  opa: string,
  root: string,
  term: string,
  asked: readonly unknown[],
): Promise<readonly Answered[]> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, "inputs.json");
    writeFileSync(file, JSON.stringify(asked));
    const each = `{format_int(i, 10): answer | some i, x in input; answer := ${term}}`;
    const flags = ["-b", "policies", "-i", file, "-f", "raw", "--strict-builtin-errors=false"];
    const text = await run(opa, ["eval", ...flags, `json.marshal(${each})`], root);
    const answers = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return asked.map((_, index) => ({ value: answers[index] ?? null }));
  });
}

async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 256 << 20 });
    return stdout;
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === "ENOENT") {
      throw new WeirError("config.invalid", `there is no program ${program}`, { cause });
    }
    const said = (stderr ?? "").trim().slice(0, 4_000);
    throw new WeirError("bundle.invalid", said || `${program} failed`, { cause });
  }
}
