import type { Schema } from "./parity/schema.ts";

/** What keeps a value from being what a schema describes, in words that begin with where it stands. */
export function findFaults(value: unknown, schema: Schema, at: string): readonly string[] {
  if (schema.anyOf !== undefined) {
    const each = schema.anyOf.map((option) => findFaults(value, option, at));
    // What it is closest to is what was meant.
    return each.reduce((least, faults) => (faults.length < least.length ? faults : least));
  }
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.includes(typeOf(value)))
    return [`${at} is not ${types.join(" or ")}`];
  if (schema.enum?.includes(value) === false)
    return [`${at} is not one of ${schema.enum.join(", ")}`];
  if (Array.isArray(value)) {
    if (value.length > (schema.maxItems ?? Infinity))
      return [`${at} holds more than ${schema.maxItems}`];
    return value.flatMap((item, i) => findFaults(item, schema.items ?? {}, `${at}[${i}]`));
  }
  return typeof value === "object" && value !== null ? findMembers(value, schema, at) : [];
}

function findMembers(value: object, schema: Schema, at: string): readonly string[] {
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const names = new Set(members.map(([name]) => name));
  const missing = (schema.required ?? [])
    .filter((name) => !names.has(name))
    .map((name) => `${at}.${name} is missing`);
  const faults = members.flatMap(([name, member]) => {
    const described = schema.properties?.[name] ?? schema.additionalProperties;
    if (described === false || described === undefined) return [`${at}.${name} is not described`];
    return described === true ? [] : findFaults(member, described, `${at}.${name}`);
  });
  return [...missing, ...faults];
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}
