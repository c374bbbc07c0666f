import { describe, expect, it } from "vitest";
import { WeirError } from "../errors.ts";
import type { PriceBookData, PriceRowData } from "../policy/bundle-data.ts";
import { openPriceBook } from "./price-book.ts";

const row: PriceRowData = {
  above_tokens: 0,
  from: "2026-01-01",
  micro_usd_per_mtok: { input: 1_250_000, output: 10_000_000 },
  model: "openai:gpt-5",
  source: "test",
  tier: "standard",
  to: null,
};

function book(...rows: readonly PriceRowData[]): PriceBookData {
  return { currency: "USD", rows, version: "1" };
}

function faults(data: unknown): readonly string[] {
  try {
    openPriceBook(data as PriceBookData);
  } catch (thrown) {
    if (!(thrown instanceof WeirError)) throw thrown;
    expect(thrown.code).toBe("bundle.invalid");
    return thrown.violations.map(({ description, field }) => `${field}: ${description}`);
  }
  return [];
}

function priced(price: unknown): unknown {
  return book({ ...row, micro_usd_per_mtok: price } as PriceRowData);
}

const at = (day: string): number => Date.parse(`${day}Z`);

describe("openPriceBook", () => {
  it("refuses negative prices and names them, but takes 0", () => {
    expect(faults(priced({ input: -3_000_000, output: 0 }))).toEqual([
      "prices.rows[0].micro_usd_per_mtok.input: -3000000 is not a whole number from 0 to 1000000000000",
    ]);
    expect(faults(book({ ...row, micro_usd_per_request: -1 }))).toHaveLength(1);
    expect(faults(priced({ cache_read: 0, input: 0, output: 0 }))).toEqual([]);
  });

  it.each([
    ["a fraction", { input: 0.5, output: 1 }],
    ["over the limit", { input: 1_000_000_000_001, output: 1 }],
    ["a string", { input: "1", output: 1 }],
    ["null", { input: null, output: 1 }],
    ["no output price", { input: 1 }],
    ["an unknown class", { audio: 1, input: 1, output: 1 }],
    ["a list", []],
  ])("refuses a price that is %s", (_name, price) => {
    expect(faults(priced(price))).toHaveLength(1);
  });

  it.each([
    ["currency", { ...book(row), currency: "EUR" }, "prices.currency"],
    ["version", { ...book(row), version: "" }, "prices.version"],
    ["rows", { ...book(), rows: {} }, "prices.rows"],
    ["row", { ...book(), rows: [null] }, "prices.rows[0]"],
    ["model", book({ ...row, model: "gpt-5" }), "prices.rows[0].model"],
    ["tier", book({ ...row, tier: "fast" as "flex" }), "prices.rows[0].tier"],
    ["source", book({ ...row, source: "" }), "prices.rows[0].source"],
    ["threshold", book({ ...row, above_tokens: -1 }), "prices.rows[0].above_tokens"],
    ["month", book({ ...row, from: "2026-13-01" }), "prices.rows[0].from"],
    ["day", book({ ...row, from: "2026-02-30" }), "prices.rows[0].from"],
    ["date", book({ ...row, from: "1 May 2026" }), "prices.rows[0].from"],
    ["end", book({ ...row, to: undefined as unknown as null }), "prices.rows[0].to"],
    ["to before from", book({ ...row, to: "2025-12-31" }), "prices.rows[0].to"],
    ["empty span", book({ ...row, to: "2026-01-01" }), "prices.rows[0].to"],
    ["unknown field", book({ ...row, note: "x" } as PriceRowData), "prices.rows[0].note"],
    ["book", null, "prices"],
  ])("names a wrong %s", (_name, data, path) => {
    const found = faults(data);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${path}: `);
  });

  it("names every fault at once", () => {
    expect(faults(book({ ...row, tier: "x" as "flex" }, { ...row, from: "" }))).toHaveLength(2);
  });

  it("refuses duplicates and overlaps of one model, tier and threshold", () => {
    expect(faults(book(row, row))).toEqual([
      'prices.rows[1].from: "2026-01-01" overlaps prices.rows[0] (openai:gpt-5 standard 0)',
    ]);
    expect(faults(book({ ...row, from: "2026-06-01" }, { ...row, to: "2026-06-02" }))).toHaveLength(
      1,
    );
    expect(faults(book({ ...row, from: "2026-06-01" }, { ...row, to: "2026-06-01" }))).toEqual([]);
    expect(faults(book(row, { ...row, tier: "batch" }, { ...row, model: "a:b" }))).toEqual([]);
  });

  it("refuses a threshold on days without a base row", () => {
    const long = { ...row, above_tokens: 200_000 };
    expect(faults(book(row, long))).toEqual([]);
    expect(faults(book(long))).toHaveLength(1);
    expect(faults(book({ ...row, tier: "batch" }, long))).toHaveLength(1);
    expect(
      faults(book({ ...row, to: "2026-05-01" }, { ...row, from: "2026-05-01" }, long)),
    ).toEqual([]);
    expect(
      faults(book({ ...row, to: "2026-05-01" }, { ...row, from: "2026-05-02" }, long)),
    ).toEqual([
      "prices.rows[2].above_tokens: 200000, but openai:gpt-5 standard has no row with above_tokens 0 on 2026-05-01",
    ]);
  });
});

describe("PriceBook.rates", () => {
  const prices = openPriceBook(
    book(
      { ...row, from: "2026-06-01", micro_usd_per_mtok: { input: 2, output: 4 } },
      {
        ...row,
        from: "2026-06-01",
        above_tokens: 100,
        micro_usd_per_mtok: { input: 3, output: 6 },
      },
      { ...row, to: "2026-06-01" },
      {
        ...row,
        from: "2026-07-01",
        micro_usd_per_mtok: { input: 1, output: 2 },
        tier: "batch",
        to: "2026-08-01",
      },
    ),
  );
  const id = (tier: "standard" | "batch" | "priority", day: string): string | undefined =>
    prices.rates("openai:gpt-5", tier, at(day))?.id;

  it("changes at the day border in UTC", () => {
    expect(id("standard", "2025-12-31T23:59:59.999")).toBeUndefined();
    expect(id("standard", "2026-01-01T00:00:00.000")).toBe("openai:gpt-5@2026-01-01/standard");
    expect(id("standard", "2026-05-31T23:59:59.999")).toBe("openai:gpt-5@2026-01-01/standard");
    expect(id("standard", "2026-06-01T00:00:00.000")).toBe("openai:gpt-5@2026-06-01/standard");
    expect(id("standard", "2099-01-01T00:00:00.000")).toBe("openai:gpt-5@2026-06-01/standard");
  });

  it("falls back to standard where the tier has no row", () => {
    expect(id("batch", "2026-06-30T23:59:59.999")).toBe("openai:gpt-5@2026-06-01/standard");
    expect(id("batch", "2026-07-01T00:00:00.000")).toBe("openai:gpt-5@2026-07-01/batch");
    expect(id("batch", "2026-08-01T00:00:00.000")).toBe("openai:gpt-5@2026-06-01/standard");
    expect(id("priority", "2026-08-01T00:00:00.000")).toBe("openai:gpt-5@2026-06-01/standard");
    expect(prices.rates("openai:gpt-5", "priority", at("2026-08-01T00:00"))?.tier).toBe("standard");
  });

  it("gathers the thresholds in effect, in ascending order", () => {
    const rates = prices.rates("openai:gpt-5", "standard", at("2026-06-02T00:00"));
    expect(rates?.bands.map((band) => band.id)).toEqual([
      "openai:gpt-5@2026-06-01/standard",
      "openai:gpt-5@2026-06-01/standard/above-100",
    ]);
    expect(prices.rates("openai:gpt-5", "standard", at("2026-05-01T00:00"))?.bands).toHaveLength(1);
  });

  it("has no price for a model it does not hold", () => {
    expect(prices.rates("openai:other", "standard", at("2026-06-02T00:00"))).toBeNull();
    expect(prices.rates("__proto__", "standard", at("2026-06-02T00:00"))).toBeNull();
  });

  it("gives an absent class the price of its parent", () => {
    const only = openPriceBook(book(row)).rates("openai:gpt-5", "standard", at("2026-06-02T00:00"));
    const input = 1_250_000n;
    expect(only?.bands[0]?.price).toEqual({
      cache_read: input,
      cache_write_1h: input,
      cache_write_5m: input,
      input,
      output: 10_000_000n,
      reasoning: 10_000_000n,
    });
  });
});
