/**
 * Money is integer everywhere. Three units, one direction of rounding:
 * micro-USD (1e-6) in prices, budgets and policy input; nano-USD (1e-9) in the store, posted to
 * budgets; pico-USD (1e-12) in the ledger, exact, since micro-USD per million tokens times tokens
 * is pico-USD.
 */
export const PICO_PER_NANO = 1_000n;
export const NANO_PER_MICRO = 1_000n;

/** Exact cost to the amount posted to budgets: the one place where money is rounded, up. */
export function postedNanoUsd(picoUsd: bigint): bigint {
  return ceilDiv(picoUsd, PICO_PER_NANO);
}

/** What a policy or a person sees as a cost: micro-USD, rounded up. */
export function costMicroUsd(nanoUsd: bigint): number {
  return safeNumber(ceilDiv(nanoUsd, NANO_PER_MICRO));
}

/** What a policy or a person sees as left over: micro-USD, rounded down (also below zero). */
export function remainingMicroUsd(nanoUsd: bigint): number {
  return safeNumber(floorDiv(nanoUsd, NANO_PER_MICRO));
}

export function nanoFromMicroUsd(microUsd: number): bigint {
  return BigInt(microUsd) * NANO_PER_MICRO;
}

/** Rounds towards plus infinity; the divisor is positive. */
export function ceilDiv(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend > 0n && quotient * divisor !== dividend ? quotient + 1n : quotient;
}

/** Rounds towards minus infinity; the divisor is positive. */
export function floorDiv(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend < 0n && quotient * divisor !== dividend ? quotient - 1n : quotient;
}

/** A bigint as a number, saturated at ±(2^53 − 1): for figures shown or judged, never for balances. */
export function safeNumber(value: bigint): number {
  if (value > MAX_SAFE) return Number.MAX_SAFE_INTEGER;
  if (value < -MAX_SAFE) return -Number.MAX_SAFE_INTEGER;
  return Number(value);
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Micro-USD for people: "$1.234567" without trailing zeros beyond the cent. */
export function formatMicroUsd(microUsd: number): string {
  const sign = microUsd < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(microUsd) / 1_000_000);
  const fraction = String(Math.abs(microUsd) % 1_000_000).padStart(6, "0");
  return `${sign}$${whole}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
}

const PICO_PER_USD = 1_000_000_000_000n;

/** Pico-USD as an exact decimal of dollars without trailing zeros: "0.000001234", "-12.5", "0". */
export function usdFromPico(picoUsd: bigint): string {
  const size = picoUsd < 0n ? -picoUsd : picoUsd;
  const fraction = String(size % PICO_PER_USD)
    .padStart(12, "0")
    .replace(/0+$/, "");
  const whole = `${picoUsd < 0n ? "-" : ""}${size / PICO_PER_USD}`;
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** The way back; null if the text is no decimal of dollars with at most 12 digits behind the point. */
export function picoFromUsd(text: string): bigint | null {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,12}))?$/.exec(text);
  if (match === null) return null;
  const [, sign, whole = "0", fraction = ""] = match;
  const size = BigInt(whole) * PICO_PER_USD + BigInt(fraction.padEnd(12, "0"));
  return sign === "-" ? -size : size;
}
