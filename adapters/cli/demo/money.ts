const PICO_PER_USD = 1_000_000_000_000n;
const PICO_PER_CENT = PICO_PER_USD / 100n;

/** Exact pico-USD as a decimal number of USD: the last step before it is shown to a program. */
export function usdNumber(pico: bigint): number {
  const sign = pico < 0n ? "-" : "";
  const size = pico < 0n ? -pico : pico;
  return Number(`${sign}${size / PICO_PER_USD}.${String(size % PICO_PER_USD).padStart(12, "0")}`);
}

/** Pico-USD for people: "$1.23", to the nearest cent; "<$0.01" for what is more than nothing. */
export function usdText(pico: bigint): string {
  const sign = pico < 0n ? "-" : "";
  const size = pico < 0n ? -pico : pico;
  const cents = (size + PICO_PER_CENT / 2n) / PICO_PER_CENT;
  if (cents === 0n && size > 0n) return `${sign}<$0.01`;
  return `${sign}$${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}
