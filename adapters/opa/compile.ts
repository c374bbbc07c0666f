import { mkdtempSync, readFileSync, rmSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { type Answer, readStamp, runCompiler } from "./compiler.ts";
import { type RuleSource, writeManifest } from "./manifest.ts";

/**
 * Policies are read from `policies/` below `root` (default: the working directory). The folder's name
 * is fixed, because the paths of the sources are part of what a module's digest depends on.
 */
export interface PolicyFolder {
  readonly root?: string;
}

/** One test rule and how it went. */
export interface TestOutcome {
  readonly package: string;
  readonly name: string;
  readonly file: string;
  readonly row: number;
  readonly pass: boolean;
  /** What went wrong where a test did not merely fail. */
  readonly error: string;
  /** What the test printed. */
  readonly output: string;
}

export const CAPABILITIES = "policies/capabilities.json";

/** Compiles the policies to WASM and collects their data; the same sources give the same bytes. */
export async function buildPolicies({
  root = process.cwd(),
}: PolicyFolder = {}): Promise<BundleFiles> {
  return inTemporaryFolder(async (out) => {
    const answers = await runCompiler({ "/": root, "/out": out }, [buildCommand("/out")]);
    return readBuild(out, answers[0]);
  });
}

/** The compiler's command that builds into a folder, for callers that run several at once. */
export function buildCommand(out: string): readonly string[] {
  return ["build", "policies", out, CAPABILITIES, "weir/decision"];
}

/** Reads what `buildCommand` left in a folder and describes its rules. */
export function readBuild(folder: string, answer: Answer | undefined): BundleFiles {
  const { rules } = expectResult(answer) as { rules: readonly RuleSource[] };
  const wasm = readFileSync(join(folder, "policy.wasm"));
  const data = readFileSync(join(folder, "data.json"), "utf8");
  return { wasm, data, manifest: writeManifest(wasm, data, readStamp().opa, rules) };
}

/** Writes a bundle's three files, making the folder. */
export function writeBundle(folder: string, files: BundleFiles): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "policy.wasm"), files.wasm);
  writeFileSync(join(folder, "data.json"), files.data);
  writeFileSync(join(folder, ".manifest"), files.manifest);
}

/** Runs the test rules whose full name matches `filter` (default: all), sorted by name. */
export async function testPolicies({
  root = process.cwd(),
  filter,
}: PolicyFolder & { readonly filter?: string } = {}): Promise<readonly TestOutcome[]> {
  const command = ["test", "policies", ...(filter === undefined ? [] : [filter])];
  const [answer] = await runCompiler({ "/": root }, [command]);
  return (expectResult(answer) as { tests: readonly TestOutcome[] }).tests;
}

/** Checks types, schemas and allowed functions; throws `bundle.invalid` with every fault. */
export async function checkPolicies({ root = process.cwd() }: PolicyFolder = {}): Promise<void> {
  const [answer] = await runCompiler({ "/": root }, [
    ["check", "policies", "policies/schemas", CAPABILITIES],
  ]);
  expectResult(answer);
}

/** Gives the files that are not in OPA's format, and formats them if told to write. */
export async function formatPolicies({
  root = process.cwd(),
  write = false,
}: PolicyFolder & { readonly write?: boolean } = {}): Promise<readonly string[]> {
  const command = ["fmt", "policies", ...(write ? ["--write"] : [])];
  const [answer] = await runCompiler({ "/": root }, [command]);
  return (expectResult(answer) as { files: readonly string[] }).files;
}

/** Gives an answer's result, or throws `bundle.invalid` with its errors. */
export function expectResult(answer: Answer | undefined): unknown {
  if (answer === undefined) throw new WeirError("internal", "the policy compiler gave no answer");
  if (answer.errors.length === 0) return answer.result;
  const violations = answer.errors.map((description) => ({ field: answer.command, description }));
  throw new WeirError("bundle.invalid", answer.errors.join("\n"), { violations });
}

/** Runs a function with a folder that is gone afterwards. */
export async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "weir-opa-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
