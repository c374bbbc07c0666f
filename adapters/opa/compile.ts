import { mkdtempSync, readFileSync, rmSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import type { BundleFiles } from "../../engine/policy/bundle.ts";
import { type Answer, readStamp, runCompiler } from "./compiler.ts";
import { type RuleSource, writeManifest } from "./manifest.ts";

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
  /** The expression it failed at and the values of its variables; "" where it passed. */
  readonly failed_at: string;
  /** Cases of a test that is a table, by name. */
  readonly cases?: Readonly<Record<string, boolean>>;
}

export const CAPABILITIES = "policies/capabilities.json";

/**
 * Compiles `policies/` below `root` to WASM and collects its data; the same sources give the same
 * bytes. The folder's name is fixed, because the paths of the sources are part of what a module's
 * digest depends on.
 */
export async function buildPolicies(root: string): Promise<BundleFiles> {
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

/** Puts every source of `policies/` below `root` into OPA's format. */
export async function formatPolicies(root: string): Promise<void> {
  const [answer] = await runCompiler({ "/": root }, [["fmt", "policies", "--write"]]);
  expectResult(answer);
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
