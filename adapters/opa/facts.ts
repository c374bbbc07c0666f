import { expectResult } from "./compile.ts";
import { runCompiler } from "./compiler.ts";
import type { RuleSource } from "./manifest.ts";

/** A place in a source: a file below the root, a line from 1, and what stands there. */
export interface Place {
  readonly file: string;
  readonly row: number;
  /** The function called or mocked. */
  readonly name: string;
}

/** The head of a rule, whatever it makes. */
export interface RuleHead {
  readonly package: string;
  readonly rule: string;
  readonly shape: "set" | "object" | "function" | "value";
  readonly file: string;
  readonly row: number;
  /** `custom.code` of its METADATA; "" for none. */
  readonly code: string;
}

/** What the compiler's `facts` tells of the sources. */
export interface SourceFacts {
  /** Rules that make sets, tests apart. */
  readonly rules: readonly RuleSource[];
  /** Heads of all rules, tests apart. */
  readonly heads: readonly RuleHead[];
  /** Calls of built-in functions. */
  readonly calls: readonly Place[];
  /** Functions that are mocked before the document they are mocked with. */
  readonly mocks: readonly Place[];
}

/** Reads the sources of `policies/` below `root`. */
export async function readFacts(root: string): Promise<SourceFacts> {
  const [answer] = await runCompiler({ "/": root }, [["facts", "policies"]]);
  return expectResult(answer) as SourceFacts;
}
