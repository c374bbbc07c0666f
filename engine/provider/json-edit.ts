/** Bytes from `start` to before `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A member of an object as it stands in the text; `start` is the quote before its name. */
export interface Member extends Span {
  readonly name: string;
  readonly value: Span;
}

/** Replaces `remove` bytes at `offset` by the UTF-8 of `insert`. */
export interface BytePatch {
  readonly offset: number;
  readonly remove: number;
  readonly insert: string;
}

/**
 * Edits of a JSON text that leave every other byte alone: numbers beyond 2^53, escapes, order and blanks
 * stay as they were. The text must be valid JSON whose outermost value is an object.
 */
export class JsonEdit {
  readonly #bytes: Uint8Array;
  readonly #patches: BytePatch[] = [];
  /** Members to put in, by where their object begins. */
  readonly #inserts = new Map<number, string[]>();
  #removed: ReadonlySet<string> = new Set();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The value at a path, or undefined. A member given more than once counts with its last value. */
  find(path: readonly string[]): Span | undefined {
    let at = skipBlank(this.#bytes, 0);
    let found: Span | undefined;
    for (const name of path) {
      found = membersAt(this.#bytes, at).findLast((member) => member.name === name)?.value;
      if (found === undefined) return undefined;
      at = found.start;
    }
    return found;
  }

  /** Sets the value at a path to a JSON text; objects on the way that are missing are made. */
  set(path: readonly string[], json: string): void {
    let at = skipBlank(this.#bytes, 0);
    for (const [depth, name] of path.entries()) {
      const members = membersAt(this.#bytes, at);
      const same = members.filter((member) => member.name === name);
      const last = same.at(-1);
      if (
        last === undefined ||
        (depth < path.length - 1 && this.#bytes[last.value.start] !== OPEN)
      ) {
        const value = path
          .slice(depth + 1)
          .reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, json);
        if (last === undefined) this.#insert(at, name, value);
        else this.#replace(last.value, value);
        return;
      }
      if (depth === path.length - 1) for (const { value } of same) this.#replace(value, json);
      at = last.value.start;
    }
  }

  /** Removes top-level members, wherever they stand; called once. */
  remove(names: ReadonlySet<string>): void {
    this.#removed = names;
    const members = membersAt(this.#bytes, skipBlank(this.#bytes, 0));
    const kept = members.findLastIndex(({ name }) => !names.has(name));
    for (const [index, { name, start }] of members.entries()) {
      const next = members[index + 1];
      // Each goes with the comma behind it; those at the end go with the comma before them.
      if (index < kept && next !== undefined && names.has(name)) {
        this.#patches.push({ offset: start, remove: next.start - start, insert: "" });
      }
    }
    const last = members.at(-1);
    if (last === undefined || kept === members.length - 1) return;
    const from = members[kept]?.value.end ?? members[0]?.start ?? last.start;
    this.#patches.push({ offset: from, remove: last.end - from, insert: "" });
  }

  /** The patches in the order of their offsets; they do not overlap. */
  patches(): readonly BytePatch[] {
    const root = skipBlank(this.#bytes, 0);
    const inserts = [...this.#inserts].map(([at, members]) => {
      const others = membersAt(this.#bytes, at).filter(
        ({ name }) => at !== root || !this.#removed.has(name),
      );
      const insert = members.join(",") + (others.length > 0 ? "," : "");
      return { offset: at + 1, remove: 0, insert };
    });
    return [...this.#patches, ...inserts].toSorted(
      (one, other) => one.offset - other.offset || one.remove - other.remove,
    );
  }

  #replace({ start, end }: Span, json: string): void {
    this.#patches.push({ offset: start, remove: end - start, insert: json });
  }

  #insert(objectAt: number, name: string, json: string): void {
    const member = `${JSON.stringify(name)}:${json}`;
    this.#inserts.set(objectAt, [...(this.#inserts.get(objectAt) ?? []), member]);
  }
}

/** The bytes with the patches made. Patches are sorted and do not overlap. */
export function applyPatches(bytes: Uint8Array, patches: readonly BytePatch[]): Uint8Array {
  if (patches.length === 0) return bytes;
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { offset, remove, insert } of patches) {
    parts.push(bytes.subarray(at, offset), ENCODER.encode(insert));
    at = offset + remove;
  }
  parts.push(bytes.subarray(at));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** The members of the object that begins at `at`; none where no object begins. */
export function membersAt(bytes: Uint8Array, at: number): readonly Member[] {
  if (bytes[at] !== OPEN) return [];
  const members: Member[] = [];
  let next = skipBlank(bytes, at + 1);
  while (next < bytes.length && bytes[next] !== CLOSE) {
    const nameEnd = skipString(bytes, next);
    const start = skipBlank(bytes, skipBlank(bytes, nameEnd) + 1);
    const end = skipValue(bytes, start);
    members.push({ start: next, end, name: nameOf(bytes, next, nameEnd), value: { start, end } });
    next = skipBlank(bytes, end);
    if (bytes[next] === COMMA) next = skipBlank(bytes, next + 1);
  }
  return members;
}

/** The elements of the array that begins at `at`; none where no array begins. */
export function elementsAt(bytes: Uint8Array, at: number): readonly Span[] {
  if (bytes[at] !== OPEN_LIST) return [];
  const elements: Span[] = [];
  let start = skipBlank(bytes, at + 1);
  while (start < bytes.length && bytes[start] !== CLOSE_LIST) {
    const end = skipValue(bytes, start);
    elements.push({ start, end });
    start = skipBlank(bytes, end);
    if (bytes[start] === COMMA) start = skipBlank(bytes, start + 1);
  }
  return elements;
}

const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

function nameOf(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(DECODER.decode(bytes.subarray(start, end))) as string;
}

function skipBlank(bytes: Uint8Array, from: number): number {
  let at = from;
  for (; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

function skipString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipValue(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return skipString(bytes, start);
  if (first !== OPEN && first !== OPEN_LIST) return skipScalar(bytes, start);
  let depth = 0;
  for (let at = start; at < bytes.length;) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      continue;
    }
    if (byte === OPEN || byte === OPEN_LIST) depth += 1;
    if (byte === CLOSE || byte === CLOSE_LIST) depth -= 1;
    at += 1;
    if (depth === 0) return at;
  }
  return bytes.length;
}

function skipScalar(bytes: Uint8Array, start: number): number {
  let at = start;
  for (; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST) break;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) break;
  }
  return at;
}
