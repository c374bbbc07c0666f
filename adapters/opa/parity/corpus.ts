import { Draw } from "./draw.ts";
import { EDGE_NUMBERS, EDGE_WORDS, makeValue } from "./make-value.ts";
import { changed, type Json, type Path, pathsOf, type Schema, valueAt } from "./schema.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** How many findings a policy makes on an input; what the corpus climbs down on. */
export type CountFindings = (input: Json) => number;

/** At least so many inputs are compared before a bundle is made. */
export const CORPUS_SIZE = 2_000;

const SEED = 7;
const CLIMBS = 8;
const CLIMB_STEPS = 2_000;

/** No input at all, in each of the forms JSON has for it. */
const ODD: readonly Json[] = [
  {},
  [],
  "x",
  "",
  1,
  true,
  false,
  { intent: {} },
  { intent: null },
  { intent: [], facts: [], context: [], candidates: {} },
];

/**
 * Makes inputs of a schema, the same ones every time: whole ones near what the data and the sources
 * compare with, ones around calls that nothing is found against, every member missing, mistyped or at
 * an edge, and documents that are no input.
 */
export function makeCorpus(
  schema: Schema,
  vocabulary: Vocabulary,
  countFindings: CountFindings,
): readonly Json[] {
  const draw = new Draw(SEED);
  const make = (items?: number): Json =>
    makeValue(schema, "input", draw, vocabulary, items === undefined ? {} : { items });
  const full = make(2);

  const quiet = Array.from({ length: CLIMBS }, () =>
    climb(make(), draw, schema, vocabulary, countFindings),
  );
  const corpus: Json[] = [...ODD, full, ...broken(full), ...atEdges(full), ...quiet];
  const rest = Math.max(CORPUS_SIZE - corpus.length, CORPUS_SIZE / 2);
  for (let made = 0; made < rest; made += 1) {
    const near = () => vary(draw.pick(quiet), 1 + draw.below(3), draw, schema, vocabulary);
    corpus.push(draw.once(4) ? make() : near());
  }
  return corpus;
}

/** Changes a member at a time and keeps what leaves fewer findings, so that allows are compared too. */
function climb(
  start: Json,
  draw: Draw,
  schema: Schema,
  vocabulary: Vocabulary,
  countFindings: CountFindings,
): Json {
  let best = start;
  let least = countFindings(start);
  for (let step = 0; step < CLIMB_STEPS && least > 0; step += 1) {
    const next = vary(best, 1, draw, schema, vocabulary);
    const findings = countFindings(next);
    if (findings <= least) [best, least] = [next, findings];
  }
  return best;
}

/** The input with so many members made anew. */
function vary(
  input: Json,
  members: number,
  draw: Draw,
  schema: Schema,
  vocabulary: Vocabulary,
): Json {
  let varied = input;
  for (let times = members; times > 0; times -= 1) {
    const path = draw.pick(pathsOf(varied));
    const described = schemaAt(schema, path);
    if (described === null) continue;
    const name = path.findLast((step) => typeof step === "string") ?? "";
    varied = changed(varied, path, makeValue(described, name, draw, vocabulary));
  }
  return varied;
}

function schemaAt(schema: Schema, path: Path): Schema | null {
  let at: Schema | undefined = schema;
  for (const step of path) {
    const forms: readonly Schema[] = at.anyOf ?? [at];
    const holder: Schema | undefined = forms.find(
      ({ type }) => type === (typeof step === "number" ? "array" : "object"),
    );
    const free: Schema["additionalProperties"] = holder?.additionalProperties;
    at =
      typeof step === "number"
        ? holder?.items
        : (holder?.properties?.[step] ?? (typeof free === "object" ? free : undefined));
    if (at === undefined) return null;
  }
  return at;
}

/** Every member missing, and every member of a type it never has. */
function broken(input: Json): readonly Json[] {
  return pathsOf(input).flatMap((path) => {
    const value = valueAt(input, path);
    const mistyped = typeof value === "number" || value === null ? "7" : 7;
    return [changed(input, path, undefined), changed(input, path, mistyped)];
  });
}

function atEdges(input: Json): readonly Json[] {
  return pathsOf(input).flatMap((path) => {
    const value = valueAt(input, path);
    const edges: readonly Json[] =
      typeof value === "string" ? EDGE_WORDS : typeof value === "number" ? EDGE_NUMBERS : [];
    return edges.map((edge) => changed(input, path, edge));
  });
}
