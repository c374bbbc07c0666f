import { isDeepStrictEqual } from "node:util";

import { type PolicyModule, words } from "../../../engine/policy/module.ts";
import type { Answered } from "../evaluate-in-opa.ts";
import { changed, type Json, type Path, pathsOf } from "./schema.ts";

/** An input on which the compiled policy and OPA do not say the same. */
export interface Difference {
  readonly input: Json;
  readonly opa: Answered;
  readonly wasm: Answered;
}

/** What a comparison of a corpus found. */
export interface Parity {
  readonly inputs: number;
  readonly differences: number;
  /** The smallest input, by its length as JSON, that shows a difference; null: there is none. */
  readonly smallest: Difference | null;
}

export type AskOpa = (inputs: readonly Json[]) => Promise<readonly Answered[]>;

/** Runs a corpus through OPA and through the module, and makes the smallest difference smaller still. */
export async function compare(
  corpus: readonly Json[],
  askOpa: AskOpa,
  module: PolicyModule,
): Promise<Parity> {
  const found = await differences(corpus, askOpa, module);
  const smallest = smallestOf(found);
  return {
    differences: found.length,
    inputs: corpus.length,
    smallest: smallest === null ? null : await shrink(smallest, askOpa, module),
  };
}

/** Evaluates the decision in WASM; a throw of any kind is its fault. */
export function answerInWasm(module: PolicyModule, input: Json): Answered {
  try {
    return { value: module.evaluate("weir/decision", JSON.stringify(input)) ?? null };
  } catch (thrown) {
    return { fault: words(thrown) };
  }
}

async function differences(
  inputs: readonly Json[],
  askOpa: AskOpa,
  module: PolicyModule,
): Promise<readonly Difference[]> {
  const answers = await askOpa(inputs);
  return inputs.flatMap((input, index): Difference[] => {
    const opa = answers[index] ?? { fault: "OPA gave no answer" };
    const wasm = answerInWasm(module, input);
    return areAlike(opa, wasm) ? [] : [{ input, opa, wasm }];
  });
}

/** Both failing is alike: what is blocked in one is blocked in the other. */
function areAlike(a: Answered, b: Answered): boolean {
  if ("fault" in a || "fault" in b) return "fault" in a && "fault" in b;
  return isDeepStrictEqual(a.value, b.value);
}

function smallestOf(found: readonly Difference[]): Difference | null {
  const [first, ...rest] = found;
  if (first === undefined) return null;
  return rest.reduce((least, one) => (sizeOf(one) < sizeOf(least) ? one : least), first);
}

function sizeOf({ input }: Difference): number {
  return JSON.stringify(input).length;
}

const SHRINK_ROUNDS = 6;

/**
 * Takes out whatever the difference does not need. A round tries every member alone, then those it can
 * lose alone together and by halves, each in one run of OPA.
 */
async function shrink(
  start: Difference,
  askOpa: AskOpa,
  module: PolicyModule,
): Promise<Difference> {
  let best = start;
  for (let round = 0; round < SHRINK_ROUNDS; round += 1) {
    const { input } = best;
    const paths = pathsOf(input);
    const alone = paths.map((path) => changed(input, path, undefined));
    const lost = await differences(alone, askOpa, module);
    const smaller = smallestOf(lost);
    if (smaller === null) return best;
    const kept = new Set(lost.map((one) => one.input));
    const losable = paths.filter((_, index) => kept.has(alone[index] as Json));
    const half = Math.ceil(losable.length / 2);
    const sets = [losable, losable.slice(0, half), losable.slice(half)];
    const together = await differences(
      sets.map((set) => without(input, set)),
      askOpa,
      module,
    );
    best = smallestOf([smaller, ...together]) ?? smaller;
  }
  return best;
}

/** Members are listed after what holds them and items in order: taken out backwards, paths stay true. */
function without(input: Json, paths: readonly Path[]): Json {
  return paths.toReversed().reduce<Json>((left, path) => changed(left, path, undefined), input);
}
