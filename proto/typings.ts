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
      ? Readonly<T>
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
    const optional = field.resolvedType instanceof Type && !field.repeated && !field.map;
    const suffix = optional ? " | null" : "";
    return `${comment(field, `${indent}  `)}${indent}  ${field.name}: ${typeOf(field)}${suffix};\n`;
  });
  const body = `${indent}export interface ${type.name} {\n${fields.join("")}${indent}}\n`;
  const codec = codecs ? `${indent}export const ${type.name}: ${codecType(type)};\n` : "";
  return comment(type, indent) + body + codec + nestedTypes(type, indent);
}

/** Codecs of nested messages are members of their parent's: a const and a namespace of values clash. */
function codecType(type: Type): string {
  const nested = nestedMessages(type).map(
    (one) => ` & { readonly ${one.name}: ${codecType(one)} }`,
  );
  return `Codec<${type.fullName.slice(1)}>${nested.join("")}`;
}

function nestedTypes(type: Type, indent: string): string {
  const inner = nestedMessages(type).map((one) => message(one, `${indent}  `, false));
  return inner.length === 0
    ? ""
    : `${indent}export namespace ${type.name} {\n${inner.join("")}${indent}}\n`;
}

function nestedMessages(type: Type): readonly Type[] {
  return type.nestedArray.map((child) => {
    if (child instanceof Type) return child;
    throw new Error(`${child.fullName}: only messages may be nested in a message`);
  });
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
