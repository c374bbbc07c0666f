/** The calendar month of a time in UTC, "2026-11". */
export function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** When a month begins and the next one does, epoch ms; null if the text is no month. */
export function monthSpan(
  month: string,
): { readonly fromMs: number; readonly toMs: number } | null {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month);
  if (match === null) return null;
  const [year, index] = [Number(match[1]), Number(match[2]) - 1];
  return { fromMs: Date.UTC(year, index), toMs: Date.UTC(year, index + 1) };
}
