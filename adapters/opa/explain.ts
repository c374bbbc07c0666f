import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { DECISION } from "./build-bundle.ts";
import { expectResult, inTemporaryFolder } from "./compile.ts";
import { runCompiler } from "./compiler.ts";
import { type Configured, ofConfigured } from "./evaluate-in-opa.ts";
import type { SourceFacts } from "./facts.ts";
import { KINDS } from "./manifest.ts";

/** An expression of a rule and, by their text, the values (as Rego) of what stands in it. */
export interface ReachedExpression {
  readonly row: number;
  readonly text: string;
  readonly values: Readonly<Record<string, string>>;
}

/** What became of one rule on one input. */
export interface ExplainedRule {
  /** "" for one without METADATA. */
  readonly code: string;
  /** "deny", "throttle", "reroute", "oblige" or "advise". */
  readonly kind: string;
  readonly file: string;
  readonly row: number;
  readonly held: boolean;
  /** Its expressions; of a rule that did not hold the one it came to and no further. */
  readonly why: readonly ReachedExpression[];
}

/** Asks OPA for the decision on each input and tells of every rule whether it held, and why. */
export async function explainInOpa(
  root: string,
  asked: readonly Configured[],
): Promise<readonly (readonly ExplainedRule[])[]> {
  return inTemporaryFolder(async (out) => {
    writeFileSync(join(out, "inputs.json"), JSON.stringify(asked));
    const [explained, told] = await runCompiler({ "/": root, "/out": out }, [
      ["explain", "policies", ofConfigured(DECISION, "input"), "/out/inputs.json"],
      ["facts", "policies"],
    ]);
    const { heads } = expectResult(told) as SourceFacts;
    const each = expectResult(explained) as readonly (readonly Seen[])[];
    return each.map((rules) => onceEach(rules).flatMap((one) => described(one, heads)));
  });
}

type Seen = Omit<ExplainedRule, "code" | "kind">;

function described(one: Seen, heads: SourceFacts["heads"]): readonly ExplainedRule[] {
  const head = heads.find(({ file, row }) => file === one.file && row === one.row);
  if (head === undefined || !KINDS.includes(head.rule)) return [];
  return [{ ...one, code: head.code, kind: head.rule }];
}

/** OPA evaluates a set again where another rule asks for it otherwise: the time it held is told. */
function onceEach(rules: readonly Seen[]): readonly Seen[] {
  const seen = new Map<string, Seen>();
  for (const one of rules) {
    const key = `${one.file}:${one.row}`;
    const known = seen.get(key);
    if (known === undefined || (one.held && !known.held)) seen.set(key, one);
  }
  return [...seen.values()];
}
