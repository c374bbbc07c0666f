import { Enum, MapField, Namespace, Type, type Field, type ReflectionObject } from "protobufjs";

const PREAMBLE = `import type { Reader, Writer } from "protobufjs/minimal.js";

/** A 64-bit integer: a number where that is exact, a bigint beyond ±(2^53 − 1). */
export type Int64 = number | bigint;

/** What a message can be encoded from: every field may be left out. */
export type Encodable<T> = T extends string | number | bigint | boolean | Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Encodable<Item>[]
    : string extends keyof T
      ? { readonly [Key in keyof T]: Encodable<T[Key]> }
      : { readonly [Key in keyof T]?: Encodable<T[Key]> | undefined };

/** Static codec of one message. \`target\` is filled while decoding, as far as it gets. */
export interface Codec<T> {
  new (): T;
  encode(message: Encodable<T>, writer: Writer): Writer;
  decode(reader: Reader, length?: number, end?: number, depth?: number, target?: T): T;
}
`;

const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bool: "boolean",
  int32: "number",
  uint32: "number",
  double: "number",
  int64: "Int64",
  uint64: "Int64",
  bytes: "Uint8Array",
};

/** TypeScript declarations of every message and enum under `root`, with the contract's comments. */
export function typings(root: Namespace): string {
  return `${PREAMBLE}\n${root.nestedArray.map((child) => declaration(child, "")).join("\n")}`;
}

function declaration(object: ReflectionObject, indent: string): string {
  if (object instanceof Type) return message(object, indent);
  if (object instanceof Enum) return enumeration(object, indent);
  if (!(object instanceof Namespace) || "methods" in object) return "";
  return namespace(object, indent);
}

function namespace(object: Namespace, indent: string): string {
  const inner = object.nestedArray.map((child) => declaration(child, `${indent}  `)).join("");
  return `${indent}export namespace ${object.name} {\n${inner}${indent}}\n`;
}

function message(type: Type, indent: string, codecs = true): string {
  const fields = type.fieldsArray.map((field) => {
    const single = field.resolvedType instanceof Type && !field.repeated && !field.map;
    const optional = single || field.partOf !== null;
    const suffix = optional ? " | null" : "";
    return `${comment(field, `${indent}  `)}${indent}  ${field.name}: ${typeOf(field)}${suffix};\n`;
  });
  const body = `${indent}export interface ${type.name} {\n${fields.join("")}${indent}}\n`;
  const codec = codecs ? `${indent}export const ${type.name}: ${codecType(type)};\n` : "";
  return comment(type, indent) + body + codec + nestedTypes(type, indent);
}

/** Codecs of nested messages are members of their parent's: a const and a namespace of values clash. */
function codecType(type: Type): string {
  const nested = type.nestedArray.map((one) =>
    one instanceof Enum
      ? ` & { readonly ${one.name}: { ${enumValues(one)} } }`
      : ` & { readonly ${one.name}: ${codecType(one as Type)} }`,
  );
  return `Codec<${type.fullName.slice(1)}>${nested.join("")}`;
}

function nestedTypes(type: Type, indent: string): string {
  const inner = type.nestedArray.map((one) => {
    if (one instanceof Enum) return `${indent}  export type ${one.name} = number;\n`;
    if (one instanceof Type) return message(one, `${indent}  `, false);
    throw new Error(`${one.fullName}: only messages and enums may be nested in a message`);
  });
  return inner.length === 0
    ? ""
    : `${indent}export namespace ${type.name} {\n${inner.join("")}${indent}}\n`;
}

function enumValues(type: Enum): string {
  return Object.entries(type.values)
    .map(([name, value]) => `readonly ${name}: ${value};`)
    .join(" ");
}

function enumeration(type: Enum, indent: string): string {
  const values = Object.entries(type.values).map(([name, value]) => {
    const text = type.comments[name];
    const note = text ? `${indent}  /** ${text.replaceAll("\n", " ")} */\n` : "";
    return `${note}${indent}  readonly ${name}: ${value};\n`;
  });
  return (
    `${comment(type, indent)}${indent}export type ${type.name} = number;\n` +
    `${indent}export const ${type.name}: {\n${values.join("")}${indent}};\n`
  );
}

function typeOf(field: Field): string {
  const single = field.resolvedType?.fullName.slice(1) ?? SCALARS[field.type];
  if (single === undefined)
    throw new Error(`${field.fullName}: no TypeScript type for ${field.type}`);
  if (field instanceof MapField) return `Record<string, ${single}>`;
  return field.repeated ? `${single}[]` : single;
}

function comment(object: ReflectionObject, indent: string): string {
  return object.comment ? `${indent}/** ${object.comment.replaceAll("\n", " ")} */\n` : "";
}
