import { createHash } from "node:crypto";

import { WeirError } from "../../engine/errors.ts";

/** Hash functions of OPA's signatures that still prove something, by OPA's name. */
const HASHES: Readonly<Record<string, string>> = {
  "SHA-224": "sha224",
  "SHA-256": "sha256",
  "SHA-384": "sha384",
  "SHA-512": "sha512",
  "SHA-512-224": "sha512-224",
  "SHA-512-256": "sha512-256",
};

/**
 * Digest of a file as OPA signs it, lower-case hex: of its bytes, or, for `data.json` and
 * `.manifest`, of its JSON without whitespace, keys in the order of their UTF-8 bytes, numbers as
 * they are written. Another algorithm, or JSON that is none, is `bundle.invalid`.
 */
export function fileDigest(name: string, content: Buffer, algorithm: string): string {
  const hash = HASHES[algorithm];
  if (hash === undefined) {
    const message = `${name} is signed with ${JSON.stringify(algorithm)}; accepted are ${Object.keys(HASHES).join(", ")}`;
    throw new WeirError("bundle.invalid", message);
  }
  const structured = /(^|\/)(data\.json|\.manifest)$/.test(name);
  const signed = structured ? signedText(name, content.toString("utf8")) : content;
  return createHash(hash).update(signed).digest("hex");
}

function signedText(name: string, text: string): string {
  let value: unknown;
  try {
    value = (JSON.parse as ParseWithSource)(text, (_key, parsed, { source }) =>
      typeof parsed === "number" ? new NumberText(source ?? String(parsed)) : parsed,
    );
  } catch (cause) {
    throw new WeirError("bundle.invalid", `${name} is not JSON`, { cause });
  }
  const parts: string[] = [];
  write(value, parts);
  return parts.join("");
}

/** What TypeScript's library does not know yet of JSON.parse: the text a value was read from. */
type ParseWithSource = (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

/** A number as it was written: 1.0 and 1e3 are signed as such. */
class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function write(value: unknown, parts: string[]): void {
  if (value instanceof NumberText) parts.push(value.text);
  else if (Array.isArray(value)) {
    parts.push("[");
    for (const [index, element] of value.entries()) {
      if (index > 0) parts.push(",");
      write(element, parts);
    }
    parts.push("]");
  } else if (value !== null && typeof value === "object") {
    parts.push("{");
    for (const [index, [key, member]] of inByteOrder(Object.entries(value)).entries()) {
      parts.push(index > 0 ? "," : "", quoted(key), ":");
      write(member, parts);
    }
    parts.push("}");
  } else parts.push(typeof value === "string" ? quoted(value) : JSON.stringify(value));
}

/** JavaScript compares UTF-16 units, which differs from the order of bytes beyond U+FFFF. */
function inByteOrder<Value>(members: [string, Value][]): [string, Value][] {
  return members
    .map((member) => ({ bytes: Buffer.from(member[0]), member }))
    .toSorted((one, other) => Buffer.compare(one.bytes, other.bytes))
    .map(({ member }) => member);
}

/** A string as Go's encoder writes it. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll(
    /[\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16)}`,
  );
}
