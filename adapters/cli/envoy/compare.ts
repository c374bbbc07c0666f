import { setTimeout as sleep } from "node:timers/promises";
import { costMicroUsd, postedNanoUsd } from "../../../engine/money.ts";
import type { Bundle } from "../../../engine/policy/bundle.ts";
import { priceUsage } from "../../../engine/pricing/actual.ts";
import type { LogLine } from "../../../engine/record/record.ts";
import { readLog } from "../../embedded/segments.ts";
import { dataLayout } from "../../serve/local-storage.ts";
import type { ServedCall } from "../simulator/provider-simulator.ts";

/** One call that reached the provider, by both accounts. */
export interface ComparedCall {
  readonly decisionId: string;
  readonly served: ServedCall;
}

/** A call on which the ledger and the provider do not agree. */
export interface Difference {
  readonly decision_id: string;
  /** "" where it was never settled. */
  readonly basis: string;
  readonly settled_pico_usd: string;
  readonly provider_pico_usd: string;
}

/** The ledger against what the provider served. */
export interface Comparison {
  readonly settled_micro_usd: number;
  readonly provider_micro_usd: number;
  readonly differences: readonly Difference[];
}

interface Settled {
  readonly basis: string;
  readonly costPicoUsd: bigint;
}

const WAIT_MS = 20_000;

/**
 * Compares the settled cost of each call with the provider's figures at the bundle's prices, exactly.
 * Access logs come a moment after the answers, so it waits for them.
 */
export async function compare(
  data: string,
  bundle: Bundle,
  calls: readonly ComparedCall[],
): Promise<Comparison> {
  const deadline = Date.now() + WAIT_MS;
  let settled = settledCalls(data);
  while (calls.some(({ decisionId }) => !settled.has(decisionId)) && Date.now() < deadline) {
    await sleep(100);
    settled = settledCalls(data);
  }
  const differences: Difference[] = [];
  let settledPicoUsd = 0n;
  let providerPicoUsd = 0n;
  for (const { decisionId, served } of calls) {
    const own = settled.get(decisionId);
    const bill = billOf(served, bundle);
    settledPicoUsd += own?.costPicoUsd ?? 0n;
    providerPicoUsd += bill;
    if (own?.costPicoUsd === bill) continue;
    differences.push({
      basis: own?.basis ?? "",
      decision_id: decisionId,
      provider_pico_usd: String(bill),
      settled_pico_usd: String(own?.costPicoUsd ?? 0n),
    });
  }
  const micro = (pico: bigint): number => costMicroUsd(postedNanoUsd(pico));
  return {
    differences,
    provider_micro_usd: micro(providerPicoUsd),
    settled_micro_usd: micro(settledPicoUsd),
  };
}

function settledCalls(data: string): ReadonlyMap<string, Settled> {
  const lines: LogLine[] = [...readLog(dataLayout(data).log)].map(({ line }) => line);
  const bases = new Map(
    lines.flatMap((line) =>
      line.kind === "report" ? [[line.decision_id, line.basis] as const] : [],
    ),
  );
  return new Map(
    lines.flatMap((line) => {
      if (line.kind !== "entry" || line.entry !== "settled") return [];
      const costPicoUsd = BigInt(line.cost_pico_usd);
      return [
        [line.decision_id, { basis: bases.get(line.decision_id) ?? "", costPicoUsd }] as const,
      ];
    }),
  );
}

function billOf({ input, model, output, provider }: ServedCall, bundle: Bundle): bigint {
  const { priceBook } = bundle.pricing;
  const rates = priceBook.rates(`${provider}:${model}`, "standard", Date.now());
  if (rates === null) return 0n;
  const nothing = { cacheRead: 0, cacheWrite1h: 0, cacheWrite5m: 0, reasoning: 0 };
  return priceUsage({ ...nothing, input, output }, rates).costPicoUsd;
}
