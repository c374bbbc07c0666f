import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateTokens, kindOf, tokenizerOf } from "./estimate-tokens.ts";
import { FEATURES, TextCounter } from "./text-count.ts";
import { type TokenizerFamily, TOKENIZERS } from "./tokenizers.ts";

const FIXTURE = new URL("../../test/fixtures/tokens-o200k.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(FIXTURE, "utf8")) as {
  readonly vectors: readonly {
    readonly text: string;
    readonly tokens: number;
    readonly expected: number;
    readonly p95: number;
    readonly kind: string;
  }[];
};

function count(text: string): TextCounter {
  const counter = new TextCounter();
  counter.add(text);
  return counter;
}

const FAMILIES = Object.keys(TOKENIZERS) as TokenizerFamily[];

describe("estimateTokens", () => {
  it.each(vectors)("$text", ({ expected, kind, p95, text }) => {
    const estimate = estimateTokens(count(text), "o200k");
    expect({ ...estimate, kind: kindOf(count(text)) }).toEqual({
      expected,
      kind,
      most: Buffer.byteLength(text),
      p95,
    });
  });

  it("covers nearly all texts by p95 and every one by most", () => {
    const estimates = vectors.map(({ text }) => estimateTokens(count(text), "o200k"));
    const under = vectors.filter(({ tokens }, index) => tokens > (estimates[index]?.p95 ?? 0));
    expect(under.length).toBeLessThanOrEqual(1);
    expect(vectors.filter(({ tokens }, index) => tokens > (estimates[index]?.most ?? 0))).toEqual(
      [],
    );
  });

  it("orders expected, p95 and most for any text and family", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom(...FAMILIES), (text, family) => {
        const { expected, most, p95 } = estimateTokens(count(text.toWellFormed()), family);
        expect(expected).toBeLessThanOrEqual(p95);
        expect(p95).toBeLessThanOrEqual(most);
        expect(most).toBe(Buffer.byteLength(text.toWellFormed()));
      }),
    );
  });

  it("takes bytes that are no UTF-8", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const counter = new TextCounter();
        counter.addBytes(bytes);
        expect(estimateTokens(counter, "claude").expected).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it("judges a long text by parts of it, within a few percent of the whole", () => {
    const line =
      'The budget of team "blue" for May 2026: 1,250.75 USD (see https://example.org/b?id=7).\n';
    const short = estimateTokens(count(line.repeat(100)), "o200k").expected;
    const long = estimateTokens(count(line.repeat(100_00)), "o200k").expected;
    expect(Math.abs(long / (short * 100) - 1)).toBeLessThan(0.03);
  });

  it("has a coefficient for every count", () => {
    for (const { coefficients } of Object.values(TOKENIZERS)) {
      expect(coefficients).toHaveLength(FEATURES.length);
    }
  });
});

describe("tokenizerOf", () => {
  it.each([
    ["gpt-5-mini", "o200k"],
    ["gpt-4o-mini", "o200k"],
    ["gpt-4.1", "o200k"],
    ["gpt-4-turbo", "cl100k"],
    ["text-embedding-3-small", "cl100k"],
    ["openai/gpt-oss-120b", "o200k"],
    ["eu.anthropic.claude-haiku-4-5-20251001-v1:0", "claude"],
    ["gemini-3.8-flash", "gemma3"],
    ["ministral-8b-2512", "tekken"],
    ["qwen/qwen3.8-27b", "qwen3"],
    ["somebody-elses", "claude"],
  ])("%s is %s", (model, family) => {
    expect(tokenizerOf(model)).toBe(family);
  });
});
