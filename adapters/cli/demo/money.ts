const PICO_PER_USD = 1_000_000_000_000n;
const PICO_PER_CENT = PICO_PER_USD / 100n;

/** Exact pico-USD as a decimal number of USD: the last step before it is shown to a program. */
export function usdNumber(pico: bigint): number {
  const sign = pico < 0n ? "-" : "";
  const size = pico < 0n ? -pico : pico;
  return Number(`${sign}${size / PICO_PER_USD}.${String(size % PICO_PER_USD).padStart(12, "0")}`);
}

/** Pico-USD for people: "$1.23", to the nearest cent; under ten cents to a tenth of a cent. */
export function usdText(pico: bigint): string {
  const sign = pico < 0n ? "-" : "";
  const size = pico < 0n ? -pico : pico;
  if (size > 0n && size < 10n * PICO_PER_CENT) {
    const tenths = (size + PICO_PER_CENT / 20n) / (PICO_PER_CENT / 10n);
    return `${sign}$0.${String(tenths).padStart(3, "0")}`;
  }
  const cents = (size + PICO_PER_CENT / 2n) / PICO_PER_CENT;
  return `${sign}$${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}
