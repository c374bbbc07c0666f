import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../engine/limits.ts";
import { postedNanoUsd } from "../../engine/money.ts";
import { openPriceBook } from "../../engine/pricing/price-book.ts";
import type { LogLine, ReportRecord } from "../../engine/record/record.ts";
import { budgetOf, EVERY_KIND } from "../support/budgets.ts";
import { intentOf, linesOf, LOCAL, openTestEngine } from "../support/engine.ts";
import { Random, testSeed } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";
import { open } from "../support/opened.ts";

describe("invariant 9: money is integer, rounded once", () => {
  const seed = testSeed("money");
  const price = fc.integer({ max: 1_000_000_000, min: 0 });
  const tokens = fc.integer({ max: 150_000_000, min: 0 });

  test("a settlement posts the exact cost, rounded up to a nano-USD once", async () => {
    const engine = await open();
    const model = "openai:gpt-5-mini";
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          input: price,
          output: price,
          read: price,
          reasoning: price,
          w1: price,
          w5: price,
        }),
        fc.record({
          plain: tokens,
          read: tokens,
          reasoning: tokens,
          visible: tokens,
          w1: tokens,
          w5: tokens,
        }),
        fc.integer({ max: 100_000, min: 0 }),
        async (prices, counts, perRequest) => {
          const row = {
            above_tokens: 0,
            from: "2026-01-01",
            micro_usd_per_mtok: {
              cache_read: prices.read,
              cache_write_1h: prices.w1,
              cache_write_5m: prices.w5,
              input: prices.input,
              output: prices.output,
              reasoning: prices.reasoning,
            },
            micro_usd_per_request: perRequest,
            model,
            source: "test",
            tier: "standard" as const,
            to: null,
          };
          const bundle = engine.ports.bundles.current();
          const priceBook = openPriceBook({ currency: "USD", rows: [row], version: "test" });
          const changed = { ...bundle, pricing: { ...bundle.pricing, priceBook } };
          const budgets = (await import("../../engine/reservation/budgets.ts")).planBudgets([
            budgetOf("all", { limit: LIMITS.budgetMicroUsd }),
            budgetOf("soft", { mode: "soft" }),
          ]);
          const money = await openTestEngine({
            ports: () => ({
              bundles: {
                byDigest: () => ({ ...changed, budgets }),
                current: () => ({ ...changed, budgets }),
              },
              log: { append: () => Promise.resolve() },
            }),
          });
          const decision = await money.weir.decide(
            intentOf("m", { tokens: { input: 10, outputMax: 10 } }),
            LOCAL,
          );
          const usage = {
            cacheRead: counts.read,
            cacheWrite1h: counts.w1,
            cacheWrite5m: counts.w5,
            input: counts.plain + counts.read + counts.w1 + counts.w5,
            output: counts.visible + counts.reasoning,
            reasoning: counts.reasoning,
          };
          const result = await money.weir.report(
            { decisionId: decision.id, final: true, outcome: "ok", usage },
            LOCAL,
          );
          const exact =
            BigInt(counts.plain) * BigInt(prices.input) +
            BigInt(counts.read) * BigInt(prices.read) +
            BigInt(counts.w1) * BigInt(prices.w1) +
            BigInt(counts.w5) * BigInt(prices.w5) +
            BigInt(counts.visible) * BigInt(prices.output) +
            BigInt(counts.reasoning) * BigInt(prices.reasoning) +
            BigInt(perRequest) * 1_000_000n;
          const posted = exact / 1_000n + (exact % 1_000n === 0n ? 0n : 1n);
          expect(result.costPicoUsd).toBe(exact);
          expect(result.chargedNanoUsd).toBe(posted);
          for (const balance of await money.store.balances()) {
            expect(balance).toMatchObject({ held: 0n, settled: posted });
          }
          await money.close();
        },
      ),
      { numRuns: 60, seed },
    );
  });

  test("a million tiny calls drift by nothing: what is posted is the sum of what was rounded", async () => {
    // 0.2 micro-USD per million tokens and one token: 1 nano-USD each, never 0.
    let balance = 0n;
    let exact = 0n;
    for (let count = 1; count <= 1_000_000; count += 1) {
      const pico = BigInt((count * 7_919) % 1_777);
      exact += pico;
      balance += postedNanoUsd(pico);
      if (postedNanoUsd(pico) * 1_000n < pico) expect.unreachable();
    }
    expect(balance * 1_000n).toBeGreaterThanOrEqual(exact);
    expect(balance * 1_000n - exact).toBeLessThan(1_000_000n * 1_000n);
  });

  test("what the ledger says exactly and what budgets post agree in every line", async () => {
    const engine = await open({ data: { budgets: EVERY_KIND }, seed: String(seed) });
    const traffic = new Traffic(engine, new Random(seed + 1));
    await traffic.run(400);
    await engine.weir.idle();
    const integer = /^-?(0|[1-9]\d*)$/;
    for (const line of engine.lines()) {
      for (const [key, value] of numbersOf(line)) {
        if (/_(pico|nano)_usd$|_delta$/.test(key))
          expect(String(value), `${line.kind}.${key}`).toMatch(integer);
        else if (typeof value === "number")
          expect(Number.isSafeInteger(value), `${line.kind}.${key}`).toBe(true);
      }
      if (line.kind === "report") {
        expect(BigInt((line as ReportRecord).charged_nano_usd)).toBe(
          postedNanoUsd(BigInt(line.cost_pico_usd)),
        );
      }
    }
  });

  function* numbersOf(value: LogLine | object, name = ""): Generator<readonly [string, unknown]> {
    for (const [key, member] of Object.entries(value)) {
      if (member !== null && typeof member === "object")
        yield* numbersOf(member as object, `${name}${key}.`);
      else yield [key, member];
    }
  }
});

test("every line of a log can be read back", async () => {
  const engine = await open();
  await engine.weir.decide(intentOf("one"), LOCAL);
  expect([...linesOf(join(engine.folder, "log"))]).toHaveLength(1);
});
