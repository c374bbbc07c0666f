export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** The part of JSON Schema that the policies' schemas use. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly title?: string;
  readonly description?: string;
}

/** Where a value stands in a document: names of members, numbers of items. */
export type Path = readonly (string | number)[];

/** Every value that holds no other, and every list and object, with where it stands. */
export function pathsOf(value: Json, at: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const path = [...at, Array.isArray(value) ? Number(key) : key];
    return [path, ...pathsOf(member as Json, path)];
  });
}

/** What stands at a path; undefined for nothing. */
export function valueAt(value: Json, path: Path): Json | undefined {
  let at: Json | undefined = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Readonly<Record<string | number, Json>>)[step];
  }
  return at;
}

/** A copy with another value at a path, or, for undefined, with what stands there taken out. */
export function changed(value: Json, path: Path, to: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return to ?? null;
  if (Array.isArray(value)) {
    const items = value as readonly Json[];
    if (rest.length === 0 && to === undefined) return items.filter((_, index) => index !== step);
    return items.map((item, index) => (index === step ? changed(item, rest, to) : item));
  }
  const members = value as { readonly [name: string]: Json };
  if (rest.length === 0 && to === undefined) {
    return Object.fromEntries(Object.entries(members).filter(([name]) => name !== step));
  }
  return { ...members, [step]: changed(members[step] ?? null, rest, to) };
}
