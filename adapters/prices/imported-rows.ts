import type { PriceRowData } from "../../engine/policy/bundle-data.ts";

export type Prices = PriceRowData["micro_usd_per_mtok"];

/** What could not be taken of a model, and why. */
export interface Leftover {
  readonly model: string;
  /** Whether it has rows all the same, without some of its prices. */
  readonly taken: boolean;
  readonly why: string;
}

/** What a source holds, as rows of a price book. */
export interface ImportedPrices {
  readonly rows: readonly PriceRowData[];
  readonly leftovers: readonly Leftover[];
}

/** Which of a source is wanted, and from when on prices hold that say no date themselves. */
export interface ImportOptions {
  /** Providers as in "openai", and models as in "openai:gpt-5"; empty: everything. */
  readonly only: readonly string[];
  /** "YYYY-MM-DD", UTC. */
  readonly since: string;
}

export function isWanted(model: string, { only }: ImportOptions): boolean {
  return only.length === 0 || only.some((one) => model === one || model.startsWith(`${one}:`));
}

/** A price that is no whole number of micro-USD per million tokens. */
export class UnfitPriceError extends Error {}

/**
 * A price of a JSON document in USD, times a power of ten, as a whole number. It is read from its
 * digits: 2.5e-7 per token is 250000 micro-USD per million tokens, exactly.
 */
export function wholeMicroUsd(name: string, price: unknown, power: number): number {
  const digits =
    typeof price === "number" ? /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(price)) : null;
  if (digits === null) throw new UnfitPriceError(`${name} is ${JSON.stringify(price)}, no price`);
  const [, whole = "", fraction = "", exponent = "0"] = digits;
  const shift = power + Number(exponent) - fraction.length;
  const value = BigInt(whole + fraction);
  const scale = 10n ** BigInt(Math.abs(shift));
  const scaled = shift >= 0 ? value * scale : value / scale;
  if (shift < 0 && scaled * scale !== value) {
    throw new UnfitPriceError(
      `${name} is ${String(Number(price))}, finer than a micro-USD per million tokens`,
    );
  }
  return Number(scaled);
}
