import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Tiktoken, type TiktokenBPE } from "js-tiktoken/lite";
import cl100kRanks from "js-tiktoken/ranks/cl100k_base";
import o200kRanks from "js-tiktoken/ranks/o200k_base";
import { estimateTokens } from "../../engine/provider/estimate-tokens.ts";
import { TextCounter } from "../../engine/provider/text-count.ts";

// How far estimates are from what OpenAI's public vocabularies count, by kind of text. The texts are the
// files of this repository, cut into pieces, none of which the coefficients were fitted to.

const ROOT = join(import.meta.dirname, "../..");
const PIECE_CHARS = 2_000;

/** One kind of text. Errors in percent of the true count, at the 5th, 50th and 95th of 100 pieces. */
interface ErrorRow {
  readonly kind: string;
  readonly pieces: number;
  readonly o200k: readonly number[];
  readonly cl100k: readonly number[];
  readonly charsBy4: readonly number[];
  /** Pieces whose count p95 (o200k) covers, percent. */
  readonly covered: number;
}

const KINDS: Readonly<Record<string, readonly string[]>> = {
  prose: ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs"],
  typescript: ["engine/pricing", "engine/velocity", "adapters/http", "adapters/memory"],
  rego: ["policies/weir/rules"],
  json: ["policies/config"],
  proto: ["proto/weir/v1"],
  go: ["adapters/opa/compiler"],
  csv: ["examples/trace"],
};
const ENDINGS = /\.(md|ts|rego|json|proto|go|csv)$/;

function errorTable(): readonly ErrorRow[] {
  const o200k = new Tiktoken(o200kRanks as TiktokenBPE);
  const cl100k = new Tiktoken(cl100kRanks as TiktokenBPE);
  return Object.entries(KINDS).map(([kind, places]) => {
    const pieces = places.flatMap(filesIn).flatMap(cut);
    const rows = pieces.map((text) => {
      const counter = new TextCounter();
      counter.add(text);
      const [exact, older] = [o200k.encode(text).length, cl100k.encode(text).length];
      const estimate = estimateTokens(counter, "o200k");
      return {
        charsBy4: text.length / 4 / exact - 1,
        cl100k: estimateTokens(counter, "cl100k").expected / older - 1,
        covered: estimate.p95 >= exact,
        o200k: estimate.expected / exact - 1,
      };
    });
    return {
      charsBy4: percentiles(rows.map((row) => row.charsBy4)),
      cl100k: percentiles(rows.map((row) => row.cl100k)),
      covered: Math.round((100 * rows.filter((row) => row.covered).length) / rows.length),
      kind,
      o200k: percentiles(rows.map((row) => row.o200k)),
      pieces: rows.length,
    };
  });
}

function filesIn(place: string): readonly string[] {
  if (ENDINGS.test(place)) return [readFileSync(join(ROOT, place), "utf8")];
  return readdirSync(join(ROOT, place), { recursive: true, encoding: "utf8" })
    .filter((name) => ENDINGS.test(name))
    .toSorted()
    .map((name) => readFileSync(join(ROOT, place, name), "utf8"));
}

function cut(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += PIECE_CHARS)
    pieces.push(text.slice(at, at + PIECE_CHARS));
  return pieces.filter((piece) => piece.length > 200);
}

function percentiles(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((one, other) => one - other);
  return [0.05, 0.5, 0.95].map((share) =>
    Math.round(100 * (sorted[Math.floor(share * (sorted.length - 1))] ?? 0)),
  );
}

function line(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(11) : cell.padStart(15))).join("");
}

const signed = (values: readonly number[]): string =>
  values.map((value) => (value > 0 ? `+${value}` : String(value))).join("/");
console.log("error of the estimate in percent, 5th/50th/95th of 100 pieces of about 2 KB\n");
console.log(line(["kind", "pieces", "o200k", "cl100k", "characters / 4", "p95 covers"]));
for (const row of errorTable()) {
  const { charsBy4, cl100k, covered, kind, o200k, pieces } = row;
  console.log(
    line([kind, String(pieces), signed(o200k), signed(cl100k), signed(charsBy4), `${covered} %`]),
  );
}
