// Classes of bytes. A lead byte tells its script and how many bytes to go on.
const OTHER = 0;
export const LOWER = 1;
export const UPPER = 2;
export const DIGIT = 3;
export const BLANK = 4;
export const BREAK = 5;
export const LATIN = 6;
export const GREEK_CYRILLIC = 7;
export const SEMITIC = 8;
export const INDIC = 9;
export const SYMBOL = 10;
export const HAN = 11;
export const HANGUL = 12;
export const WIDE = 13;
const CONTROL = 15;

export const CLASS_OF = Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte));

function classOf(byte: number): number {
  if (byte >= 0x61 && byte <= 0x7a) return LOWER;
  if (byte >= 0x41 && byte <= 0x5a) return UPPER;
  if (byte >= 0x30 && byte <= 0x39) return DIGIT;
  if (byte === 0x20 || byte === 0x09) return BLANK;
  if (byte === 0x0a || byte === 0x0d) return BREAK;
  if (byte < 0x20 || byte === 0x7f) return CONTROL;
  if (byte < 0x80) return OTHER;
  if (byte < 0xc2) return CONTROL;
  if (byte < 0xcc) return LATIN;
  if (byte < 0xd4) return GREEK_CYRILLIC;
  if (byte < 0xe0) return SEMITIC;
  if (byte < 0xe2) return INDIC;
  if (byte === 0xe2 || byte === 0xee || byte === 0xef) return SYMBOL;
  if (byte < 0xea) return HAN;
  if (byte < 0xee) return HANGUL;
  return byte < 0xf5 ? WIDE : CONTROL;
}

/** Pairs of letters with a share below 0.0006: a row for each first letter, a bit for each second. */
const RARE_ROWS =
  "2c142b0 2edb4ec 3e5b26a 3e9bee6 2100680 3e59ece 3e9962f 3e5be6e 1d10680 3fffdef 3fffaef 2e3b6c6 " +
  "3eb0eec 2c39682 3810290 3e136ee 3eef7ff 2c18682 2e23a6a 2a13662 3e146a8 3dfbeee 3bd9e6e 3777fef " +
  "2fb3fef 1ffffef";
export const RARE = new Uint8Array(1024);
for (const [first, row] of RARE_ROWS.split(" ").entries()) {
  const mask = Number.parseInt(row, 16);
  for (let second = 0; second < 26; second += 1) {
    if ((mask >> second) & 1) RARE[((first + 1) << 5) | (second + 1)] = 1;
  }
}

/** Bytes of a character by the class of its lead byte. */
export const LENGTH_OF = Uint8Array.from([1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 1, 1]);
