import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

import { expectResult, inTemporaryFolder } from "./compile.ts";
import { runCompiler } from "./compiler.ts";

/** What OPA makes of one input: a value, undefined as null, or what it failed with. */
export type Answered = { readonly value: unknown } | { readonly fault: string };

/** A process takes about 300 MB. */
const PROCESSES_MAX = 4;

/** An input, and sections of `data.config` that stand in the place of its own. */
export interface Configured {
  readonly config: object;
  readonly input: unknown;
}

/**
 * A query about an input as a query about a `Configured`. What a `with` takes is bound first: two of
 * them that look into the input find nothing there.
 */
export function ofConfigured(query: string, asked: string): string {
  const config = "object.union(object.remove(data.config, object.keys(s)), s)";
  const bound = `q := ${asked}.input; s := ${asked}.config; c := ${config}`;
  return `[a | ${bound}; a := ${query} with input as q with data.config as c][0]`;
}

/** Asks OPA's own evaluator a query of `policies/` below `root`, once for each input, in order. */
export async function evaluateInOpa(
  root: string,
  query: string,
  inputs: readonly unknown[],
): Promise<readonly Answered[]> {
  const processes = Math.min(PROCESSES_MAX, availableParallelism());
  const each = Math.max(200, Math.ceil(inputs.length / processes));
  const shares: (readonly unknown[])[] = [];
  for (let start = 0; start < inputs.length; start += each) {
    shares.push(inputs.slice(start, start + each));
  }
  return inTemporaryFolder(async (out) => {
    const answers = await Promise.all(
      shares.map((share, number) => evaluateShare(root, query, share, join(out, String(number)))),
    );
    return answers.flat();
  });
}

async function evaluateShare(
  root: string,
  query: string,
  inputs: readonly unknown[],
  out: string,
): Promise<readonly Answered[]> {
  mkdirSync(out);
  writeFileSync(join(out, "inputs.json"), JSON.stringify(inputs));
  const command = ["eval", "policies", query, "/out/inputs.json", "/out/answers.json"];
  const [answer] = await runCompiler({ "/": root, "/out": out }, [command]);
  const { faults } = expectResult(answer) as { faults: Readonly<Record<string, string>> };
  const values = JSON.parse(readFileSync(join(out, "answers.json"), "utf8")) as unknown[];
  return values.map((value, index) => {
    const fault = faults[index];
    return fault === undefined ? { value } : { fault };
  });
}
