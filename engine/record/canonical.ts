/** JSON text that is spliced in as it stands; it must be canonical already. */
export class CanonicalText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * RFC 8785 JSON: sorted keys, shortest numbers, no blanks. Bigints become decimal strings, undefined
 * members are left out. The value must be finite and its strings well-formed.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return JSON.stringify(value);
    case "bigint":
      return `"${value}"`;
    case "object":
      if (value === null) return "null";
      if (value instanceof CanonicalText) return value.text;
      return Array.isArray(value)
        ? `[${value.map(canonicalJson).join(",")}]`
        : canonicalObject(value);
    case "undefined":
    case "function":
    case "symbol":
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}

function canonicalObject(value: object): string {
  const record = value as Readonly<Record<string, unknown>>;
  let text = "";
  for (const key of Object.keys(record).toSorted()) {
    const member = record[key];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}
