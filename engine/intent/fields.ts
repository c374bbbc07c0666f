import type { FieldViolation } from "../errors.ts";

// C0 and C1 control characters and DEL: they have no place in an id and break logs and headers.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Reads single fields of untrusted input and collects what is wrong with them. */
export class FieldReader {
  readonly violations: FieldViolation[] = [];

  reject(field: string, description: string): void {
    this.violations.push({ field, description });
  }

  /** A well-formed string of at most `max` UTF-16 units without control characters; absent is "". */
  text(value: unknown, field: string, max: number): string {
    if (value === undefined || value === null || value === "") return "";
    if (typeof value !== "string") {
      this.reject(field, `${show(value)} is not a string`);
      return "";
    }
    if (value.length > max) {
      this.reject(field, `${value.length} characters, at most ${max} are accepted`);
      return "";
    }
    if (CONTROL.test(value)) {
      this.reject(field, `${show(value)} holds control characters; none are accepted`);
      return "";
    }
    return value.isWellFormed() ? value : value.toWellFormed();
  }

  mandatoryText(value: unknown, field: string, max: number): string {
    const before = this.violations.length;
    const text = this.text(value, field, max);
    if (text === "" && this.violations.length === before) {
      this.reject(field, `missing; 1 to ${max} characters are accepted`);
    }
    return text;
  }

  /** A whole number from `min` to `max`; absent is 0 and not checked against `min`. */
  count(value: unknown, field: string, min: number, max: number): number {
    if (value === undefined || value === null) return 0;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      return value === 0 ? 0 : value;
    }
    this.reject(field, `${show(value)} is not a whole number from ${min} to ${max}`);
    return 0;
  }

  flag(value: unknown, field: string): boolean {
    if (value === undefined || value === null) return false;
    if (typeof value === "boolean") return value;
    this.reject(field, `${show(value)} is neither true nor false`);
    return false;
  }

  /** One word of a closed list; absent is `absent`, or an error where that is null. */
  choice<Word extends string>(
    value: unknown,
    field: string,
    words: readonly Word[],
    absent: Word | null,
  ): Word {
    if (value === undefined || value === null || value === "") {
      if (absent !== null) return absent;
      this.reject(field, `missing; accepted are ${listed(words)}`);
      return words[0] as Word;
    }
    for (const word of words) if (word === value) return word;
    this.reject(field, `${show(value)} is not accepted; accepted are ${listed(words)}`);
    return words[0] as Word;
  }

  /** A message that may be absent; anything but an object is an error. */
  object(value: unknown, field: string): Readonly<Record<string, unknown>> {
    if (value === undefined || value === null) return NOTHING;
    if (typeof value === "object" && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    this.reject(field, `${show(value)} is not an object`);
    return NOTHING;
  }
}

// JSON escapes the control characters below U+0020 only.
const HIGH_CONTROL = /[\u007f-\u009f]/g;
const SHOWN_CHARS = 40;

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

/** The words of a list as a message names them; "" stands for absent and is not named. */
function listed(words: readonly string[]): string {
  return words.filter((word) => word !== "").join(", ");
}

/** A value short enough for a message, with nothing in it that a log or a terminal would obey. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    const text = JSON.stringify(value.slice(0, SHOWN_CHARS).toWellFormed());
    const safe = text.replace(HIGH_CONTROL, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
    return value.length > SHOWN_CHARS ? `${safe.slice(0, -1)}…"` : safe;
  }
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return String(value);
  }
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a value of type ${typeof value}`;
}
