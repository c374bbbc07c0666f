import type { FieldReader } from "../../engine/intent/fields.ts";
import { nearest } from "../nearest.ts";

/** How a field is written in JSON; the engine checks the values themselves. */
export type Form = "plain" | "count" | { readonly prefix: string } | { readonly fields: Fields };
export type Fields = Readonly<Record<string, Form>>;

/** More than this is not a slip, and naming the nearest field costs time. */
export const VIOLATIONS_MAX = 16;

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The members of an object as raw fields in camelCase: names in snake_case or lowerCamelCase, null as
 * absent. A name that is none goes to `read`; the engine checks the values themselves.
 */
export function readFields(
  read: FieldReader,
  json: JsonObject,
  fields: Fields,
  path: string,
): JsonObject {
  const raw: Record<string, unknown> = {};
  for (const key of Object.keys(json)) {
    if (read.violations.length >= VIOLATIONS_MAX) break;
    const name = nameOf(key, fields);
    if (name === undefined) {
      const near = nearest(key, Object.keys(fields));
      read.reject(fieldPath(path, key), `unknown field; the nearest valid one is ${near}`);
      continue;
    }
    const target = camelCase(name);
    if (Object.hasOwn(raw, target)) {
      read.reject(`${path}.${name}`, `given twice, as ${name} and as ${camelCase(name)}`);
    }
    raw[target] = readValue(read, json[key], fields[name], `${path}.${name}`);
  }
  return raw;
}

function readValue(
  read: FieldReader,
  value: unknown,
  form: Form | undefined,
  path: string,
): unknown {
  if (value === null || form === undefined) return undefined;
  if (form === "plain") return value;
  if (form === "count") return countOf(value);
  if ("prefix" in form) return wordOf(value, form.prefix);
  if (isObject(value)) return readFields(read, value, form.fields, path);
  read.reject(path, "not an object");
  return undefined;
}

/** A decimal string as a number; what is none stays as it is, for the engine to refuse by name. */
function countOf(value: unknown): unknown {
  return typeof value === "string" && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : value;
}

function wordOf(value: unknown, prefix: string): unknown {
  if (typeof value !== "string" || !value.startsWith(prefix)) return value;
  const word = value.slice(prefix.length);
  return word === "UNSPECIFIED" ? undefined : word.toLowerCase();
}

/** The declared name that a key means, in either spelling. */
function nameOf(key: string, fields: Fields): string | undefined {
  if (Object.hasOwn(fields, key)) return key;
  const snake = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const found = Object.hasOwn(fields, snake) ? snake : SNAKE_BY_CAMEL.get(key);
  return found !== undefined && Object.hasOwn(fields, found) ? found : undefined;
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

// inputP95 has no capital where input_p95 has its digit, so the way back needs a table.
const SNAKE_BY_CAMEL = new Map([["inputP95", "input_p95"]]);

export function fieldPath(path: string, key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(shown)
    ? shown
    : JSON.stringify(shown.toWellFormed());
  return path === "" ? name : `${path}.${name}`;
}
