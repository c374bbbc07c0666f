import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { IntentTokens, Operation, ServiceTier } from "../intent/intent.ts";
import type { ModelData } from "../policy/bundle-data.ts";
import { priceUsage } from "./actual.ts";
import { anyPrices, anyRows, priceRow } from "./arbitraries.ts";
import { estimate, type EstimateData } from "./estimate.ts";
import { openPriceBook } from "./price-book.ts";

const NOW = Date.UTC(2026, 5, 1);
const MODEL = "test:model";

const modelData: ModelData = {
  clearance: "internal",
  context_tokens: 100_000,
  environments: [],
  excluded_classes: [],
  operations: ["chat", "embedding"],
  output_tokens_max: 8_000,
  provider: "test",
  regions: ["eu"],
  tier: 2,
};

const row = priceRow({
  cache_read: 100,
  cache_write_1h: 2_000,
  cache_write_5m: 1_250,
  input: 1_000,
  output: 5_000,
});

function bundle(rows = [row] as readonly ReturnType<typeof priceRow>[]): EstimateData {
  return {
    estimates: {
      output: { chat: { expected: 400, p95: 1_500 }, default: { expected: 10, p95: 20 } },
    },
    models: { [MODEL]: modelData, "test:free-catalogue": modelData },
    priceBook: openPriceBook({ currency: "USD", rows, version: "1" }),
  };
}

function intent(
  tokens: Partial<IntentTokens> = {},
  operation: Operation = "chat",
  serviceTier: ServiceTier = "standard",
): Parameters<typeof estimate>[0] {
  const all = {
    cacheRead: 0,
    cacheWrite: 0,
    input: 1_000,
    inputP95: 1_200,
    n: 1,
    outputMax: 0,
    ...tokens,
  };
  return { model: MODEL, operation, serviceTier, tokens: all };
}

describe("estimate", () => {
  it("prices expected, p95 and ceiling", () => {
    const found = estimate(intent({ outputMax: 2_000 }), bundle(), NOW);
    expect(found).toMatchObject({
      answers: 1,
      fitsContext: true,
      known: true,
      outputTokensCap: 2_000,
    });
    expect(found).toMatchObject({
      inputTokens: 1_000,
      inputTokensP95: 1_200,
      modelData,
      priced: true,
    });
    expect(found.expectedPicoUsd).toBe(1_000n * 1_000n + 400n * 5_000n);
    expect(found.p95PicoUsd).toBe(1_200n * 1_000n + 1_500n * 5_000n);
    expect(found.ceilingPicoUsd).toBe(1_200n * 1_000n + 2_000n * 5_000n);
    expect(found.rates?.id).toBe("test:model@2026-01-01/standard");
  });

  it("prices declared cache parts: read if it goes well, written again at the dearest if not", () => {
    const tokens = { cacheRead: 600, cacheWrite: 300, outputMax: 1 };
    const found = estimate(intent(tokens), bundle(), NOW);
    expect(found.expectedPicoUsd).toBe(100n * 1_000n + 600n * 100n + 300n * 1_250n + 5_000n);
    expect(found.p95PicoUsd).toBe(900n * 1_000n + 300n * 1_250n + 5_000n);
    expect(found.ceilingPicoUsd).toBe(300n * 1_000n + 900n * 2_000n + 5_000n);
  });

  it("multiplies the output, not the input, by the answers", () => {
    const found = estimate(intent({ n: 3, outputMax: 100 }), bundle(), NOW);
    expect(found.outputTokensCap).toBe(100);
    expect(found.ceilingPicoUsd).toBe(1_200n * 1_000n + 300n * 5_000n);
  });

  it("caps the output by model and by what the context leaves", () => {
    const cap = (tokens: Partial<IntentTokens>): number =>
      estimate(intent(tokens), bundle(), NOW).outputTokensCap;
    expect(cap({})).toBe(8_000);
    expect(cap({ outputMax: 9_000 })).toBe(8_000);
    expect(cap({ input: 1, inputP95: 95_000 })).toBe(5_000);
    expect(cap({ input: 1, inputP95: 200_000 })).toBe(0);
  });

  it("says when the input leaves no room for an answer", () => {
    const fits = (inputP95: number, operation: Operation = "chat"): boolean =>
      estimate(intent({ inputP95 }, operation), bundle(), NOW).fitsContext;
    expect(fits(99_999)).toBe(true);
    expect(fits(100_000)).toBe(false);
    expect(fits(1_000_000, "embedding")).toBe(true);
  });

  it.each(["embedding", "moderation", "rerank"] as const)(
    "expects no output of %s",
    (operation) => {
      const found = estimate(intent({}, operation), bundle(), NOW);
      expect(found.outputTokensCap).toBe(0);
      expect(found.ceilingPicoUsd).toBe(1_200n * 1_000n);
    },
  );

  it("takes the default output for an operation without its own", () => {
    expect(estimate(intent({}, "tool"), bundle(), NOW).expectedPicoUsd).toBe(1_000_000n + 50_000n);
  });

  it("picks the threshold by expected input for expected, by p95 input for the others", () => {
    const long = priceRow({ input: 2_000, output: 10_000 }, { above_tokens: 1_100 });
    const found = estimate(intent({ outputMax: 1 }), bundle([row, long]), NOW);
    expect(found.expectedPicoUsd).toBe(1_000n * 1_000n + 5_000n);
    expect(found.p95PicoUsd).toBe(1_200n * 2_000n + 10_000n);
  });

  it("never takes an unpriced or unknown model for a free one", () => {
    const nothing = {
      ceilingPicoUsd: 0n,
      expectedPicoUsd: 0n,
      p95PicoUsd: 0n,
      priced: false,
      rates: null,
    };
    const unpriced = estimate(intent(), bundle(), NOW, "test:free-catalogue");
    expect(unpriced).toMatchObject({ ...nothing, fitsContext: true, known: true });
    const unknown = estimate(intent(), bundle(), NOW, "test:other");
    expect(unknown).toMatchObject({
      ...nothing,
      fitsContext: false,
      known: false,
      modelData: null,
    });
    expect(estimate(intent(), bundle(), Date.UTC(2025, 0, 1)).priced).toBe(false);
    const free = estimate(intent(), bundle([priceRow({ input: 0, output: 0 })]), NOW);
    expect(free).toMatchObject({ ceilingPicoUsd: 0n, priced: true });
  });

  const anyTokens = fc
    .record({
      cacheRead: fc.nat(50_000),
      cacheWrite: fc.nat(50_000),
      more: fc.nat(200_000),
      n: fc.integer({ max: 128, min: 1 }),
      outputMax: fc.nat(200_000),
      rest: fc.nat(50_000),
    })
    .map(({ cacheRead, cacheWrite, more, n, outputMax, rest }): IntentTokens => {
      const input = cacheRead + cacheWrite + rest;
      return { cacheRead, cacheWrite, input, inputP95: input + more, n, outputMax };
    });

  it("keeps expected ≤ p95 ≤ ceiling whatever the prices", () => {
    fc.assert(
      fc.property(
        anyRows,
        anyTokens,
        fc.constantFrom<Operation>("chat", "tool", "rerank"),
        (rows, tokens, kind) => {
          const found = estimate(intent(tokens, kind), bundle(rows), NOW);
          expect(found.expectedPicoUsd).toBeGreaterThanOrEqual(0n);
          expect(found.p95PicoUsd).toBeGreaterThanOrEqual(found.expectedPicoUsd);
          expect(found.ceilingPicoUsd).toBeGreaterThanOrEqual(found.p95PicoUsd);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("has a ceiling above any call that keeps to what was declared", () => {
    const share = fc.integer({ max: 100, min: 0 });
    fc.assert(
      fc.property(
        anyPrices,
        anyTokens,
        share,
        share,
        share,
        (prices, tokens, reads, hours, thoughts) => {
          // A cache read is never dearer than plain input.
          const cacheRead = Math.min(prices.cache_read ?? prices.input, prices.input);
          const data = bundle([priceRow({ ...prices, cache_read: cacheRead })]);
          const found = estimate(intent(tokens), data, NOW);
          if (found.rates === null) throw new Error("priced above");
          const declared = tokens.cacheRead + tokens.cacheWrite;
          const read = Math.floor((declared * reads) / 100);
          const hour = Math.floor(((declared - read) * hours) / 100);
          const output = found.outputTokensCap * tokens.n;
          const usage = {
            cacheRead: read,
            cacheWrite1h: hour,
            cacheWrite5m: declared - read - hour,
            input: tokens.inputP95,
            output,
            reasoning: Math.floor((output * thoughts) / 100),
          };
          expect(priceUsage(usage, found.rates).costPicoUsd).toBeLessThanOrEqual(
            found.ceilingPicoUsd,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
