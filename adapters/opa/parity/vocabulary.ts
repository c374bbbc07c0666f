import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Json } from "./schema.ts";

/** What inputs are made of, so that they meet what the policies compare with. */
export interface Vocabulary {
  /** Words that the data knows for a member of this name: teams for `team`, models for `model`. */
  wordsFor(name: string): readonly string[];
  /** Words that stand in the sources. */
  readonly words: readonly string[];
  /** Whole numbers of the data and the sources. */
  readonly numbers: readonly number[];
  /** Names that the sources look up in the input, for objects whose members are free. */
  readonly names: readonly string[];
}

const MOST_WORDS = 60;

/** Members of the input whose words the data keeps under another name. */
const KEPT_AS: Readonly<Record<string, readonly string[]>> = {
  classes: ["excluded_classes"],
  reason: ["permanent_errors"],
  residency: ["regions"],
  sensitivity: ["clearance"],
};

/** Reads the words and numbers of a bundle's data and of the sources below a folder. */
export function readVocabulary(folder: string, data: Json): Vocabulary {
  const texts = sourcesBelow(folder).map((file) => withoutComments(readFileSync(file, "utf8")));
  const numbers = new Set<number>();
  const byName = new Map<string, Set<string>>();
  collect(data, "", byName, numbers);
  const packages = texts.flatMap(packageWords).filter((word) => word !== "weir");
  for (const text of texts) {
    // A free member is compared with what stands in the same source, or looks up what lies below it.
    const looked = pathWords(text).flatMap((word) => [...(byName.get(word) ?? [])]);
    for (const name of namesLookedUp(text)) {
      const words = byName.get(name) ?? new Set<string>();
      for (const word of [...quotedWords(text), ...looked, ...packages]) words.add(word);
      byName.set(name, words);
    }
    for (const [digits] of text.matchAll(/(?<![\w.])\d{1,15}(?![\w.])/g))
      numbers.add(Number(digits));
  }
  return {
    wordsFor: remembered((name) => {
      const names = [name, `${name}s`, ...(KEPT_AS[name] ?? [])];
      return unique(names.flatMap((one) => [...(byName.get(one) ?? [])])).slice(0, MOST_WORDS);
    }),
    names: unique(texts.flatMap(namesLookedUp)),
    numbers: [...numbers].toSorted((a, b) => a - b),
    words: unique(texts.flatMap(wordsOf)),
  };
}

function remembered(find: (name: string) => readonly string[]): Vocabulary["wordsFor"] {
  const found = new Map<string, readonly string[]>();
  return (name) => {
    const known = found.get(name) ?? find(name);
    found.set(name, known);
    return known;
  };
}

function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".rego") && !name.endsWith("_test.rego"))
    .toSorted()
    .map((name) => join(folder, name));
}

/** Names of members with what stands under them: keys of an object, words of a list or a value. */
function collect(
  value: Json,
  name: string,
  byName: Map<string, Set<string>>,
  numbers: Set<number>,
): void {
  const words = byName.get(name) ?? new Set<string>();
  byName.set(name, words);
  if (typeof value === "string") words.add(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) numbers.add(value);
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) collect(item, name, byName, numbers);
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    words.add(key);
    // A price book has thousands of figures that no rule compares with.
    if (key !== "prices") collect(member as Json, key, byName, numbers);
  }
}

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*#.*$/gm, "");
}

function wordsOf(text: string): readonly string[] {
  return [...quotedWords(text), ...packageWords(text), ...pathWords(text)];
}

function quotedWords(text: string): readonly string[] {
  return [...text.matchAll(/"([^"\\\n]*)"/g)].map(([, word = ""]) => word);
}

function packageWords(text: string): readonly string[] {
  return [...text.matchAll(/^package (\S+)/gm)].flatMap(([, name = ""]) => name.split("."));
}

/** What is looked up in data may be looked up by what an input says. */
function pathWords(text: string): readonly string[] {
  return [...text.matchAll(/\bdata((?:\.\w+)+)/g)].flatMap(([, path = ""]) =>
    path.slice(1).split("."),
  );
}

function namesLookedUp(text: string): readonly string[] {
  return [...text.matchAll(/\blabels(?:\.(\w+)|\["([^"\n]+)"\])/g)].map(
    ([, plain, quoted]) => plain ?? quoted ?? "",
  );
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
