import type { Draw } from "./draw.ts";
import type { Json, Schema } from "./schema.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Strings that are read wrongly somewhere: empty, long, of four bytes, of keys and of patterns. */
export const EDGE_WORDS: readonly string[] = [
  "",
  "x".repeat(2_000),
  "é\u{1F600}\u0001",
  "__proto__",
  "*",
  "*:*",
  "a:b:c",
  '"\\',
];

/** Whole numbers at the ends of what an input may hold. */
export const EDGE_NUMBERS: readonly number[] = [
  0,
  1,
  -1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];

/** How long the lists of an input are. */
export interface Lengths {
  /** Every list holds this many; absent: none to three. */
  readonly items?: number;
}

/** Makes a value of a schema out of a vocabulary; the same draws make the same value. */
export function makeValue(
  schema: Schema,
  name: string,
  draw: Draw,
  vocabulary: Vocabulary,
  lengths: Lengths = {},
): Json {
  const within = (one: Schema, as: string): Json => makeValue(one, as, draw, vocabulary, lengths);
  if (schema.anyOf !== undefined) return within(choose(schema.anyOf, draw, lengths), name);
  if (schema.enum !== undefined) return draw.pick(schema.enum as readonly Json[]);
  const { type = "object" } = schema;
  switch (typeof type === "string" ? type : draw.pick(type)) {
    case "null":
      return null;
    case "boolean":
      return draw.once(2);
    case "integer":
    case "number":
      return makeNumber(name, draw, vocabulary);
    case "string":
      return makeWord(name, draw, vocabulary);
    case "array": {
      const count = Math.min(lengths.items ?? draw.below(4), schema.maxItems ?? Infinity);
      return Array.from({ length: count }, () => within(schema.items ?? {}, name));
    }
    default:
      return makeObject(schema, draw, vocabulary, within, lengths);
  }
}

/** Null, where it is one of the forms, once in ten: most of what is null makes rules find nothing. */
function choose(forms: readonly Schema[], draw: Draw, lengths: Lengths): Schema {
  const usual = forms.filter(({ type }) => type !== "null");
  if (usual.length === 0 || usual.length === forms.length) return draw.pick(forms);
  return lengths.items === undefined && draw.once(10) ? { type: "null" } : draw.pick(usual);
}

function makeObject(
  schema: Schema,
  draw: Draw,
  { names }: Vocabulary,
  within: (schema: Schema, name: string) => Json,
  lengths: Lengths,
): Json {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties ?? {})
    .filter(([name]) => required.has(name) || lengths.items !== undefined || draw.once(2))
    .map(([name, member]) => [name, within(member, name)] as const);
  const free = schema.additionalProperties;
  if (typeof free !== "object") return Object.fromEntries(members);
  const more = ["label", ...names].filter(() => draw.once(2));
  return Object.fromEntries([...members, ...more.map((name) => [name, within(free, name)])]);
}

function makeWord(name: string, draw: Draw, vocabulary: Vocabulary): string {
  const known = vocabulary.wordsFor(name);
  if (known.length > 0 && !draw.once(6)) return draw.pick(known);
  if (vocabulary.words.length > 0 && !draw.once(4)) return draw.pick(vocabulary.words);
  return draw.pick(EDGE_WORDS);
}

/** Near a figure of the data more often than not, for there rules turn. */
function makeNumber(name: string, draw: Draw, { numbers }: Vocabulary): number {
  if (name.endsWith("percent") && draw.once(2)) return draw.below(120);
  if (numbers.length > 0 && draw.once(2)) return draw.pick(numbers) + draw.below(3) - 1;
  if (draw.once(12)) return draw.pick(EDGE_NUMBERS);
  return draw.below(10 ** (1 + draw.below(8)));
}
