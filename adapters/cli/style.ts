/** Wraps text in the colours of a terminal, or leaves it alone. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** Colours where `color` is true, plain text otherwise. */
export function styleOf(color: boolean): Style {
  const wrap = (open: number, close: number) => (text: string) =>
    color ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    faint: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

/** Text from elsewhere without what a terminal would obey. */
export function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\u{fffd}");
}

/** A word as a shell takes it. */
export function quoted(word: string): string {
  return /^[\w:.@/-]+$/.test(word) ? word : `'${harmless(word).replaceAll("'", "'\\''")}'`;
}

/** Milliseconds for people: "250 ms", "12 s", "2 min", "3 h", "12 d". */
export function formatWait(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 120_000) return `${Math.ceil(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.ceil(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.ceil(ms / 3_600_000)} h`;
  return `${Math.ceil(ms / 86_400_000)} d`;
}

/** A bundle for people: its revision and as much of its digest as tells it apart. */
export function formatBundle(bundle: {
  readonly revision: string;
  readonly digest: string;
}): string {
  const short = bundle.digest.slice(0, 12);
  return bundle.revision === "" || bundle.revision === short
    ? short
    : `${bundle.revision}, ${short}`;
}
