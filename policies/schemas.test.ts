import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { makeCorpus } from "./corpus.ts";
import { loadInWasm } from "./in-wasm.ts";

/** The part of JSON Schema that our schemas use. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

const BUNDLE = join(import.meta.dirname, "../bundles/starter");
const data = JSON.parse(readFileSync(join(BUNDLE, "data.json"), "utf8")) as {
  readonly config: unknown;
};
const whole = makeCorpus(3, 100, 0)
  .filter(({ broken }) => !broken)
  .map(({ input }) => input);

test("input.json describes exactly what the engine's PolicyInput holds", () => {
  expect(whole.flatMap((input) => findFaults(input, read("input"), "input"))).toEqual([]);
});

test("result.json describes exactly what the policy returns", () => {
  const judge = loadInWasm(readFileSync(join(BUNDLE, "policy.wasm")), data);
  const results = whole.map((input) => judge(input, "weir/decision"));
  expect(results.flatMap((result) => findFaults(result, read("result"), "result"))).toEqual([]);
});

test("config.json describes exactly what the bundle's data holds", () => {
  expect(findFaults(data.config, read("config"), "config")).toEqual([]);
});

test("a member too many, one missing and one of another type are faults", () => {
  const [input] = whole as readonly Record<string, unknown>[];
  expect(findFaults({ ...input, x: 1 }, read("input"), "input")).toEqual([
    "input.x is not described",
  ]);
  expect(findFaults({ ...input, mode: undefined }, read("input"), "input")).toEqual([
    "input.mode is missing",
  ]);
  expect(findFaults({ ...input, now_ms: "7" }, read("input"), "input")).toEqual([
    "input.now_ms is not integer",
  ]);
});

function read(name: string): Schema {
  return JSON.parse(
    readFileSync(join(import.meta.dirname, `schemas/${name}.json`), "utf8"),
  ) as Schema;
}

function findFaults(value: unknown, schema: Schema, at: string): readonly string[] {
  if (schema.anyOf !== undefined) {
    const each = schema.anyOf.map((option) => findFaults(value, option, at));
    return each.some((faults) => faults.length === 0) ? [] : (each[0] ?? []);
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
