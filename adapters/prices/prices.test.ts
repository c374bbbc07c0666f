import { expect, test } from "vitest";
import { openPriceBook } from "../../engine/pricing/price-book.ts";
import { fromGenaiPrices, type GenaiProvider } from "./genai-prices.ts";
import { UnfitPriceError, wholeMicroUsd } from "./imported-rows.ts";
import { fromLitellm, type LitellmPrices } from "./litellm.ts";

const OPTIONS = { only: [], since: "2026-01-01" };

test.each([
  [0.25, 6, 250_000],
  [1.25e-6, 12, 1_250_000],
  [2.5e-7, 12, 250_000],
  [3.0000000000000004e-7, 12, null],
  [15, 6, 15_000_000],
  [0, 6, 0],
  [0.0000001, 6, null],
  [-1, 6, null],
  ["0.25", 6, null],
])("%s times 10^%i is %s micro-USD, or is refused", (price, power, wanted) => {
  const read = () => wholeMicroUsd("input", price, power);
  if (wanted === null) expect(read).toThrow(UnfitPriceError);
  else expect(read()).toBe(wanted);
});

const genai = (prices: unknown, id = "m"): readonly GenaiProvider[] => [
  { id: "openai", models: [{ id, prices: prices as never }] },
];

test("genai-prices: dates, thresholds and classes become rows", () => {
  const dated = genai([
    { prices: { input_mtok: 10, output_mtok: 40 } },
    {
      constraint: { start_date: "2026-06-10", type: "start_date" },
      prices: {
        cache_read_mtok: 0.5,
        input_mtok: { base: 2, tiers: [{ price: 4, start: 200_000 }] },
        output_mtok: 8,
      },
    },
  ]);
  const { leftovers, rows } = fromGenaiPrices(dated, "list", OPTIONS);
  expect(leftovers).toEqual([]);
  expect(
    rows.map(({ above_tokens, from, micro_usd_per_mtok, to }) => [
      from,
      to,
      above_tokens,
      micro_usd_per_mtok,
    ]),
  ).toEqual([
    ["2026-01-01", "2026-06-10", 0, { input: 10_000_000, output: 40_000_000 }],
    ["2026-06-10", null, 0, { cache_read: 500_000, input: 2_000_000, output: 8_000_000 }],
    ["2026-06-10", null, 200_000, { cache_read: 500_000, input: 4_000_000, output: 8_000_000 }],
  ]);
  const book = openPriceBook({ currency: "USD", rows, version: "1" });
  expect(book.rates("openai:m", "standard", Date.UTC(2026, 6, 1))?.bands).toHaveLength(2);
  const later = fromGenaiPrices(dated, "list", { only: ["openai:m"], since: "2026-07-01" });
  expect(later.rows.map(({ from }) => from)).toEqual(["2026-07-01", "2026-07-01"]);
  expect(fromGenaiPrices(dated, "list", { ...OPTIONS, only: ["open"] }).rows).toEqual([]);
});

test.each([
  [{ output_mtok: 1 }, "no price of input tokens"],
  [{ input_mtok: 1 }, "no price of output tokens"],
  [{ input_mtok: 0.00000001, output_mtok: 1 }, "input_mtok is 1e-8, finer than a micro-USD"],
  [
    [{ prices: {} }, { constraint: { type: "time_of_date" }, prices: {} }],
    "a price that depends on time_of_date",
  ],
])("genai-prices: %j is not taken, and says why", (prices, why) => {
  const { leftovers, rows } = fromGenaiPrices(genai(prices), "list", OPTIONS);
  expect(rows).toEqual([]);
  expect(leftovers).toEqual([
    { model: "openai:m", taken: false, why: expect.stringContaining(why) },
  ]);
});

test("genai-prices: an embedding puts nothing out; what has no class is named", () => {
  const embedding = fromGenaiPrices(genai({ input_mtok: 0.02 }, "text-embedding-3"), "l", OPTIONS);
  expect(embedding.rows[0]?.micro_usd_per_mtok).toEqual({ input: 20_000, output: 0 });
  const spoken = genai({ input_audio_mtok: 40, input_mtok: 1, output_mtok: 2 });
  expect(fromGenaiPrices(spoken, "l", OPTIONS).leftovers).toEqual([
    { model: "openai:m", taken: true, why: "without input_audio_mtok" },
  ]);
});

test("LiteLLM: tiers and thresholds become rows, without dates", () => {
  const prices: LitellmPrices = {
    "gemini/gemini-2.5-pro": {
      cache_read_input_token_cost: 1.25e-7,
      input_cost_per_token: 1.25e-6,
      input_cost_per_token_above_200k_tokens: 2.5e-6,
      litellm_provider: "gemini",
      mode: "chat",
      output_cost_per_token: 1e-5,
      output_cost_per_token_above_200k_tokens: 1.5e-5,
    },
    "gpt-5-mini": {
      input_cost_per_token: 2.5e-7,
      input_cost_per_token_flex: 1.25e-7,
      litellm_provider: "openai",
      mode: "chat",
      output_cost_per_token: 2e-6,
      output_cost_per_token_flex: 1e-6,
      search_context_cost_per_query: {},
    },
    "dall-e-3": { litellm_provider: "openai", mode: "image_generation" },
    sample_spec: { litellm_provider: "one of", mode: "chat" },
  };
  const { leftovers, rows } = fromLitellm(prices, "list", OPTIONS);
  expect(
    rows.map((row) => [row.model, row.tier, row.above_tokens, row.micro_usd_per_mtok]),
  ).toEqual([
    [
      "google:gemini-2.5-pro",
      "standard",
      0,
      { cache_read: 125_000, input: 1_250_000, output: 10_000_000 },
    ],
    ["google:gemini-2.5-pro", "standard", 200_000, { input: 2_500_000, output: 15_000_000 }],
    ["openai:gpt-5-mini", "standard", 0, { input: 250_000, output: 2_000_000 }],
    ["openai:gpt-5-mini", "flex", 0, { input: 125_000, output: 1_000_000 }],
  ]);
  expect(leftovers).toEqual([
    { model: "openai:gpt-5-mini", taken: true, why: "without search_context_cost_per_query" },
    { model: "openai:dall-e-3", taken: false, why: 'its mode is "image_generation"' },
  ]);
  openPriceBook({ currency: "USD", rows, version: "1" });
});

test("LiteLLM: two prices under one name are no price", () => {
  const entry = (cost: number) => ({
    input_cost_per_token: cost,
    litellm_provider: "groq",
    output_cost_per_token: cost,
  });
  const { leftovers, rows } = fromLitellm(
    { "groq/a/m": entry(1e-6), "groq/b/m": entry(2e-6) },
    "list",
    OPTIONS,
  );
  expect(rows).toEqual([]);
  expect(leftovers).toMatchObject([{ model: "groq:m", taken: false }]);
});
