import protobuf from "protobufjs/minimal.js";
import type { Codec, Encodable, google, Int64 } from "../../proto/gen/envoy.js";

type Struct = google.protobuf.Struct;
type Value = google.protobuf.Value;

/** JSON as dynamic metadata holds it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** A message that could not be decoded; thrown in a decoder, it would be the server's fault. */
export class Malformed {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Decoder of untrusted bytes: never throws, a fault is returned. */
export function decoderOf<T>(type: Codec<T>): (bytes: Uint8Array) => T | Malformed {
  return (bytes) => {
    try {
      return type.decode(new NumberReader(bytes) as unknown as protobuf.Reader);
    } catch (thrown) {
      return new Malformed(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
}

export function encoderOf<T>(type: Codec<T>): (message: Encodable<T>) => Buffer {
  return (message) => {
    const writer = new protobuf.BufferWriter() as unknown as protobuf.Writer;
    return type.encode(message, writer).finish() as Buffer;
  };
}

interface ReaderBase {
  uint64(): Int64 | { toNumber(): number };
}
const BaseReader = protobuf.BufferReader as unknown as new (bytes: Uint8Array) => ReaderBase;

/** Reads 64-bit counts as numbers: of bytes, they stay far below 2^53. */
class NumberReader extends BaseReader {
  override uint64(): number {
    const value = super.uint64();
    return typeof value === "object" ? value.toNumber() : Number(value);
  }
}

/** Deeper metadata than this is read as null. */
const DEPTH_MAX = 16;

/** Metadata as JSON; absent is an empty object. */
export function fromStruct(struct: Struct | null | undefined, depth = 0): JsonObject {
  const entries = Object.entries(struct?.fields ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, fromValue(value, depth + 1)]));
}

function fromValue(value: Value, depth: number): Json {
  if (depth > DEPTH_MAX) return null;
  if (value.structValue) return fromStruct(value.structValue, depth);
  if (value.listValue) return value.listValue.values.map((one) => fromValue(one, depth + 1));
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null;
}

/** JSON as metadata. */
export function toStruct(object: JsonObject): Encodable<Struct> {
  const entries = Object.entries(object).map(([name, value]) => [name, toValue(value)] as const);
  return { fields: Object.fromEntries(entries) };
}

function toValue(value: Json): Encodable<Value> {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (value === null) return { nullValue: 0 };
  if (isList(value)) return { listValue: { values: value.map(toValue) } };
  return { structValue: toStruct(value) };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** The member of metadata that is an object; else an empty one. */
export function objectIn(object: JsonObject, name: string): JsonObject {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  if (typeof value !== "object" || value === null || isList(value)) return {};
  return value;
}

/** The member that is a string; else "". */
export function textIn(object: JsonObject, name: string): string {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === "string" ? value : "";
}
