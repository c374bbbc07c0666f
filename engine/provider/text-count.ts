import {
  BLANK,
  BREAK,
  CLASS_OF,
  DIGIT,
  GREEK_CYRILLIC,
  HAN,
  HANGUL,
  INDIC,
  LATIN,
  LENGTH_OF,
  LOWER,
  RARE,
  SEMITIC,
  SYMBOL,
  UPPER,
  WIDE,
} from "./byte-class.ts";

/**
 * What a tokenizer would see in a text, counted in one pass over its UTF-8 bytes: words by what stands
 * before them, digits in groups of three, punctuation runs, scripts. Linear whatever the input, where a
 * BPE tokenizer takes quadratic time on some. The order of the counts is that of the coefficients in
 * `tokenizers.ts`.
 */
export interface TextCount {
  /** UTF-8 bytes of all text. */
  readonly bytes: number;
  readonly features: Float64Array;
}

export const FEATURES = [
  "W", // letters after a blank
  "WP", // letters after one punctuation byte
  "WN", // letters after anything else
  "E4", // letters beyond the fourth of a word
  "E16", // letters beyond the sixteenth
  "RB", // letter pairs that are rare in English and code
  "UP", // capitals beyond the first of a word
  "D", // groups of three digits
  "DX", // digits beyond the first of each group
  "P", // punctuation runs
  "PX", // further bytes of a punctuation run, three at most
  "REP", // repetitions
  "NL", // line breaks
  "IND", // indentations
  "LX", // Latin letters outside ASCII
  "NW", // words in other alphabets
  "CC", // Greek, Cyrillic
  "AC", // Armenian, Hebrew, Arabic
  "IC", // Indic, South-East Asian
  "SY", // symbols
  "CJ", // Chinese characters
  "KA", // kana
  "HA", // hangul
  "EM", // four-byte characters, emoji among them
  "AD", // combining marks
  "PX4", // further bytes of a punctuation run from the fourth on
] as const;

const INDEX = Object.fromEntries(FEATURES.map((name, index) => [name, index])) as Readonly<
  Record<(typeof FEATURES)[number], number>
>;

/** A text longer than this is judged by blocks spread evenly over it, bytes. */
const WHOLE_BYTES = 128 * 1024;
const BLOCK_BYTES = 8 * 1024;

/** Counts texts as they come; the counts of several add up. */
export class TextCounter implements TextCount {
  bytes = 0;
  readonly features = new Float64Array(FEATURES.length);

  add(text: string): void {
    if (text === "") return;
    const worst = text.length * 3;
    if (worst > scratch.length) scratch = new Uint8Array(Math.ceil(worst / 65_536) * 65_536);
    const { written } = ENCODER.encodeInto(text, scratch);
    this.addBytes(scratch.subarray(0, written));
    if (scratch.length > SCRATCH_KEPT_BYTES) scratch = new Uint8Array(SCRATCH_BYTES);
  }

  addBytes(utf8: Uint8Array): void {
    this.bytes += utf8.length;
    if (utf8.length <= WHOLE_BYTES) {
      scan(utf8, this.features, 1);
      return;
    }
    const blocks = WHOLE_BYTES / BLOCK_BYTES;
    const stride = (utf8.length - BLOCK_BYTES) / (blocks - 1);
    const weight = utf8.length / WHOLE_BYTES;
    for (let block = 0; block < blocks; block += 1) {
      const at = Math.floor(block * stride);
      scan(utf8.subarray(at, at + BLOCK_BYTES), this.features, weight);
    }
  }
}

const ENCODER = new TextEncoder();
const SCRATCH_BYTES = 64 * 1024;
const SCRATCH_KEPT_BYTES = 1024 * 1024;
let scratch = new Uint8Array(SCRATCH_BYTES);

// What stands before: a script's class plus 10 for the alphabets, else one of these.
const START = 0;
const AFTER_BLANK = 1;
/** One punctuation byte that is counted with what follows. */
const PENDING = 2;
const AFTER_OTHER = 3;

/** One pass; adds `weight` times the counts to `into`. */
function scan(buffer: Uint8Array, into: Float64Array, weight: number): void {
  const found = COUNTS.fill(0);
  const size = buffer.length;
  let at = 0;
  let before = START;
  while (at < size) {
    const byte = buffer[at] as number;
    const kind = CLASS_OF[byte] as number;
    if (kind === LOWER || kind === UPPER || kind === LATIN) {
      const name = before === AFTER_BLANK ? INDEX.W : before === PENDING ? INDEX.WP : INDEX.WN;
      bump(found, name, 1);
      at = scanWord(buffer, at, found);
      before = AFTER_OTHER;
      continue;
    }
    if (before === PENDING) bump(found, INDEX.P, 1);
    if (kind <= BREAK) {
      const end = runEnd(buffer, at, kind);
      before = scanRun(buffer, at, end, kind, before, found);
      at = end;
      continue;
    }
    before = scanCharacter(buffer, at, kind, before, found);
    at += LENGTH_OF[kind] as number;
  }
  if (before === PENDING) bump(found, INDEX.P, 1);
  for (let index = 0; index < found.length; index += 1) {
    into[index] = (into[index] as number) + weight * (found[index] as number);
  }
}

const COUNTS = new Float64Array(FEATURES.length);

function bump(counts: Float64Array, index: number, by: number): void {
  counts[index] = (counts[index] as number) + by;
}

/** Capitals, then small letters, Latin ones outside ASCII among them; returns where the word ends. */
function scanWord(buffer: Uint8Array, start: number, found: Float64Array): number {
  const size = buffer.length;
  let at = start;
  let last = 0;
  let capitals = 0;
  let latin = 0;
  let rare = 0;
  let repeated = 0;
  while (at < size && CLASS_OF[buffer[at] as number] === UPPER) {
    const letter = (buffer[at] as number) & 31;
    rare += RARE[(last << 5) | letter] as number;
    if (letter === last) repeated += 1;
    last = letter;
    at += 1;
    capitals += 1;
  }
  for (; at < size;) {
    const kind = CLASS_OF[buffer[at] as number];
    if (kind === LOWER) {
      const letter = (buffer[at] as number) & 31;
      rare += RARE[(last << 5) | letter] as number;
      if (letter === last) repeated += 1;
      last = letter;
      at += 1;
    } else if (kind === LATIN) {
      latin += 1;
      last = 0;
      at += 2;
    } else break;
  }
  const letters = at - start - latin;
  if (letters > 4) bump(found, INDEX.E4, letters - 4);
  if (letters > 16) bump(found, INDEX.E16, letters - 16);
  if (capitals > 1) bump(found, INDEX.UP, capitals - 1);
  bump(found, INDEX.LX, latin);
  bump(found, INDEX.RB, rare);
  bump(found, INDEX.REP, repeated);
  return at;
}

function runEnd(buffer: Uint8Array, start: number, kind: number): number {
  let end = start + 1;
  while (end < buffer.length && CLASS_OF[buffer[end] as number] === kind) end += 1;
  return end;
}

/** A run of digits, blanks, line breaks or punctuation; returns what stands before the next byte. */
function scanRun(
  buffer: Uint8Array,
  start: number,
  end: number,
  kind: number,
  before: number,
  found: Float64Array,
): number {
  const length = end - start;
  if (kind === DIGIT) {
    const groups = Math.trunc((length + 2) / 3);
    bump(found, INDEX.D, groups);
    bump(found, INDEX.DX, length - groups);
    return AFTER_OTHER;
  }
  if (kind === BLANK) {
    if (length > 1) bump(found, INDEX.IND, 1);
    if (length > 16) bump(found, INDEX.REP, length - 16);
    return AFTER_BLANK;
  }
  if (kind === BREAK) {
    bump(found, INDEX.NL, 1);
    if (length > 4) bump(found, INDEX.REP, length - 4);
    return AFTER_OTHER;
  }
  if (length === 1 && before !== AFTER_BLANK) return PENDING;
  let repeated = 0;
  for (let at = start + 1; at < end; at += 1) if (buffer[at] === buffer[at - 1]) repeated += 1;
  const different = length - 1 - repeated;
  bump(found, INDEX.P, 1);
  bump(found, INDEX.PX, Math.min(different, 3));
  bump(found, INDEX.PX4, Math.max(0, different - 3));
  bump(found, INDEX.REP, repeated);
  return AFTER_OTHER;
}

/** One character outside ASCII; returns what stands before the next byte. */
function scanCharacter(
  buffer: Uint8Array,
  at: number,
  kind: number,
  before: number,
  found: Float64Array,
): number {
  const lead = buffer[at] as number;
  const next = buffer[at + 1] ?? 0;
  switch (kind) {
    case GREEK_CYRILLIC:
      if (lead === 0xcc || (lead === 0xcd && next < 0xb0)) {
        bump(found, INDEX.AD, 1);
        return before === PENDING ? AFTER_OTHER : before;
      }
      if (before !== 10 + kind) bump(found, INDEX.NW, 1);
      bump(found, INDEX.CC, 1);
      return 10 + kind;
    case SEMITIC: {
      if (before !== 10 + kind) bump(found, INDEX.NW, 1);
      const isMark =
        (lead === 0xd9 && next >= 0x8b && next <= 0x9f) || (lead === 0xd6 && next >= 0x91);
      bump(found, isMark ? INDEX.AD : INDEX.AC, 1);
      return 10 + kind;
    }
    case INDIC:
      if (before !== 10 + kind) bump(found, INDEX.NW, 1);
      bump(found, INDEX.IC, 1);
      return 10 + kind;
    case SYMBOL:
      if (lead === 0xee) bump(found, INDEX.SY, 3);
      else bump(found, isRepeatedLine(buffer, at) ? INDEX.REP : INDEX.SY, 1);
      return AFTER_OTHER;
    case HAN:
      if (lead === 0xe3 && next < 0x84) bump(found, next === 0x80 ? INDEX.SY : INDEX.KA, 1);
      else bump(found, INDEX.CJ, 1);
      return AFTER_OTHER;
    case HANGUL:
      if (before !== 10 + kind) bump(found, INDEX.NW, 1);
      bump(found, INDEX.HA, 1);
      return 10 + kind;
    case WIDE:
      bump(found, INDEX.EM, 1);
      return AFTER_OTHER;
    default:
      bump(found, INDEX.SY, 1);
      return AFTER_OTHER;
  }
}

/** A box-drawing character that repeats the one before. */
function isRepeatedLine(buffer: Uint8Array, at: number): boolean {
  const [second, third] = [buffer[at + 1] ?? 0, buffer[at + 2]];
  return (
    buffer[at] === 0xe2 &&
    at > 2 &&
    second >= 0x94 &&
    second <= 0x96 &&
    third === buffer[at - 1] &&
    second === buffer[at - 2] &&
    buffer[at - 3] === 0xe2
  );
}
