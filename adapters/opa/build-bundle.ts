import { readFileSync } from "node:fs";
import { join } from "node:path";

import { WeirError } from "../../engine/errors.ts";
import { type Bundle, type BundleFiles, openBundle } from "../../engine/policy/bundle.ts";
import { loadModule } from "../../engine/policy/module.ts";
import { verdictFault } from "../../engine/policy/check-verdict.ts";
import { buildPolicies } from "./compile.ts";
import { evaluateInOpa } from "./evaluate-in-opa.ts";
import { findUnsafeNumbers } from "./numbers.ts";
import { buildWithOpa, evaluateWithOpa } from "./native.ts";
import {
  answerInWasm,
  type AskOpa,
  compare,
  type Difference,
  type Parity,
} from "./parity/compare.ts";
import { makeCorpus } from "./parity/corpus.ts";
import type { Json, Schema } from "./parity/schema.ts";
import { readVocabulary } from "./parity/vocabulary.ts";

/** A bundle that OPA itself agrees with. */
export interface BuiltBundle {
  readonly files: BundleFiles;
  readonly bundle: Bundle;
  readonly parity: Parity;
  /** Codes of rules that no input of the corpus met. */
  readonly unmet: readonly string[];
}

export interface BuildOptions {
  /** An `opa` binary to compile and to compare with; absent: the module that ships. */
  readonly opa?: string;
}

/** The entrypoint, as a query. */
export const DECISION = "data.weir.decision";

/**
 * Compiles `policies/` below `root`, refuses (`bundle.invalid`) what would be refused when it is
 * opened, and runs a corpus through OPA and through the compiled policy: `parity` says where they differ.
 */
export async function buildBundle(root: string, options: BuildOptions = {}): Promise<BuiltBundle> {
  const { opa } = options;
  const files = opa === undefined ? await buildPolicies(root) : await buildWithOpa(opa, root);
  refuseUnsafeNumbers(files.data);
  const bundle = openBundle(files);
  const askOpa: AskOpa = (inputs) =>
    opa === undefined
      ? evaluateInOpa(root, DECISION, inputs)
      : evaluateWithOpa(opa, root, DECISION, inputs);
  const data = JSON.parse(files.data) as { readonly [name: string]: Json };
  const module = loadModule(files.wasm, data);
  const codes = (input: Json): readonly string[] => codesOf(answerInWasm(module, input));
  const policies = join(root, "policies");
  const corpus = makeCorpus(
    JSON.parse(readFileSync(join(policies, "schemas/input.json"), "utf8")) as Schema,
    readVocabulary(policies, data),
    (input) => codes(input).length,
  );
  const met = new Set(corpus.flatMap(codes));
  return {
    bundle,
    files,
    parity: await compare(corpus, askOpa, module),
    unmet: Object.keys(bundle.rules).filter((code) => !met.has(code)),
  };
}

/** Refuses a bundle that OPA does not agree with, or whose result is no verdict, showing the input. */
export function expectParity({ differences, inputs, smallest }: Parity): void {
  if (smallest === null) return;
  const message = [
    `the compiled policy and OPA differ on ${differences} of ${inputs} inputs; the smallest:`,
    ...describeDifference(smallest),
  ];
  throw new WeirError("bundle.invalid", message.join("\n"));
}

function describeDifference({ input, opa, wasm }: Difference): readonly string[] {
  return [
    `  input  ${JSON.stringify(input)}`,
    `  OPA    ${JSON.stringify("fault" in opa ? opa.fault : opa.value)}`,
    `  WASM   ${JSON.stringify("fault" in wasm ? wasm.fault : wasm.value)}`,
  ];
}

function refuseUnsafeNumbers(data: string): void {
  const unsafe = findUnsafeNumbers(data);
  if (unsafe.length === 0) return;
  const violations = unsafe.map(({ path, text }) => ({
    field: path,
    description: `${text} is beyond ±(2^53−1), where whole numbers are no longer exact`,
  }));
  const [first] = violations;
  throw new WeirError("bundle.invalid", `data refused: ${first?.field}: ${first?.description}`, {
    violations,
  });
}

function codesOf(answer: ReturnType<typeof answerInWasm>): readonly string[] {
  if ("fault" in answer || verdictFault(answer.value) !== null) return ["policy.fault"];
  return (answer.value as { reasons: readonly { code: string }[] }).reasons.map(({ code }) => code);
}
