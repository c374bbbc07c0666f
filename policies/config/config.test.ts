import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { estimate } from "../../engine/pricing/estimate.ts";
import { openPriceBook } from "../../engine/pricing/price-book.ts";
import type { BundleData } from "../../engine/policy/bundle-data.ts";

function load<Key extends keyof BundleData>(key: Key): BundleData[Key] {
  const folder = key === "budgets" ? "" : `${key}/`;
  const data: unknown = JSON.parse(
    readFileSync(new URL(`${folder}data.json`, import.meta.url), "utf8"),
  );
  return key === "budgets" ? (data as BundleData)[key] : (data as BundleData[Key]);
}

const models = load("models");
const priceBook = openPriceBook(load("prices"));
const NOW = Date.UTC(2026, 10, 25);

describe("the shipped configuration", () => {
  it("prices every model, and holds every model that is priced", () => {
    const priced = new Set(load("prices").rows.map((row) => row.model));
    expect([...priced].sort()).toEqual(Object.keys(models).sort());
    for (const model of priced)
      expect(priceBook.rates(model, "standard", NOW), model).not.toBeNull();
  });

  it("never sells a cache read above plain input, nor a long context below a short one", () => {
    for (const model of Object.keys(models)) {
      for (const tier of ["standard", "batch", "flex", "priority"] as const) {
        const bands = priceBook.rates(model, tier, NOW)?.bands ?? [];
        for (const [place, { id, price }] of bands.entries()) {
          const before = bands[place - 1]?.price ?? price;
          expect(price.cache_read <= price.input, id).toBe(true);
          expect(before.input <= price.input && before.output <= price.output, id).toBe(true);
        }
      }
    }
  });

  it("routes to models it knows, to none twice", () => {
    const routes = load("routes");
    for (const [model, alternatives] of Object.entries(routes)) {
      for (const id of [model, ...alternatives]) expect(Object.hasOwn(models, id), id).toBe(true);
      expect(new Set([model, ...alternatives]).size).toBe(alternatives.length + 1);
    }
  });

  it("gives budgets their own ids and teams that exist", () => {
    const budgets = load("budgets");
    const teams = load("teams");
    expect(new Set(budgets.map((budget) => budget.id)).size).toBe(budgets.length);
    for (const { id, match, tenant } of budgets) {
      const team = match["team"];
      if (typeof team === "string") expect(teams[team]?.tenant, id).toBe(tenant);
    }
  });

  it("lets principals claim teams of their own tenant", () => {
    const teams = load("teams");
    for (const [id, { claims, tenants }] of Object.entries(load("principals"))) {
      for (const team of claims.team ?? []) expect(tenants, id).toContain(teams[team]?.tenant);
    }
  });

  it("doubles the price of a model whose introductory rate ends", () => {
    const tokens = {
      cacheRead: 0,
      cacheWrite: 0,
      input: 1_000,
      inputP95: 1_000,
      n: 1,
      outputMax: 100,
    };
    const intent = {
      model: "google:gemini-4-argon",
      operation: "chat",
      serviceTier: "standard",
      tokens,
    } as const;
    const data = { estimates: load("estimates"), models, priceBook };
    const before = estimate(intent, data, Date.UTC(2026, 11, 1) - 1);
    const after = estimate(intent, data, Date.UTC(2026, 11, 1));
    expect(after.ceilingPicoUsd).toBe(2n * before.ceilingPicoUsd);
  });
});
