import protobuf from "protobufjs/minimal.js";
import type { Codec, Encodable, Int64 } from "./gen/weir.js";

/**
 * The only place where 64-bit integers cross the wire. protobufjs would hand out Long objects, and
 * would write a bigint as 0; here an int64 is a number wherever that is exact and a bigint beyond.
 */

/** A message that could not be decoded, as a value: thrown here, it would be the server's fault. */
export class DecodeFailure {
  /** What is wrong with the bytes. */
  readonly reason: string;
  /** Tag of the stream message, where it was read before the fault; else 0. */
  readonly tag: Int64;

  constructor(reason: string, tag: Int64) {
    this.reason = reason;
    this.tag = tag;
  }
}

/** A message on its way out; `sent` turns true when its bytes are handed to the connection. */
export interface Outgoing<T> {
  readonly message: Encodable<T>;
  sent: boolean;
}

/** Decoder of untrusted bytes: never throws, a fault is returned. */
export function requestDecoder<T>(type: Codec<T>): (bytes: Uint8Array) => T | DecodeFailure {
  return (bytes) => {
    const message = new type();
    try {
      return fill(type, message, bytes);
    } catch (error) {
      const tag = (message as { readonly tag?: Int64 }).tag ?? 0;
      return new DecodeFailure(reasonOf(error), tag);
    }
  };
}

function reasonOf(error: unknown): string {
  if ((error as { code?: unknown }).code === "ERR_ENCODING_INVALID_ENCODED_DATA") {
    return "a string is not valid UTF-8";
  }
  return error instanceof Error ? error.message : String(error);
}

/** Decoder of a server's bytes or a status detail; throws on malformed ones. */
export function decoder<T>(type: Codec<T>): (bytes: Uint8Array) => T {
  return (bytes) => fill(type, new type(), bytes);
}

/** Encoder; throws RangeError for an integer that 64 bits cannot hold. */
export function encoder<T>(type: Codec<T>): (message: Encodable<T>) => Buffer {
  return (message) => {
    const writer = new ExactWriter();
    type.encode(message, writer as unknown as protobuf.Writer);
    return writer.finish();
  };
}

/** Encoder that marks the message as sent; grpc-js calls it only if the call can still be answered. */
export function answerEncoder<T>(type: Codec<T>): (outgoing: Outgoing<T>) => Buffer {
  const encode = encoder(type);
  return (outgoing) => {
    const bytes = encode(outgoing.message);
    outgoing.sent = true;
    return bytes;
  };
}

function fill<T>(type: Codec<T>, message: T, bytes: Uint8Array): T {
  const reader = new ExactReader(bytes) as unknown as protobuf.Reader;
  return type.decode(reader, undefined, undefined, 0, message);
}

// The declared bases: protobufjs types int64 as Long, which is what these two classes replace.
interface ReaderState {
  readonly buf: Uint8Array;
  pos: number;
  readonly len: number;
  discardUnknown: boolean;
}
interface WriterState {
  int64(value: Int64 | { readonly low: number; readonly high: number }): this;
  finish(): Buffer;
}
const BaseReader = protobuf.BufferReader as unknown as new (bytes: Uint8Array) => ReaderState;
const BaseWriter = protobuf.BufferWriter as unknown as new () => WriterState;

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

class ExactReader extends BaseReader {
  constructor(bytes: Uint8Array) {
    super(bytes);
    this.discardUnknown = true;
  }

  int64(): Int64 {
    // Seven bytes carry 49 bits, exact as a number whatever they hold.
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 7; index += 1) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    let wide = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      wide |= BigInt(byte & 127) << shift;
      if (byte < 128) return exact(BigInt.asIntN(64, wide));
    }
    throw new Error("invalid varint encoding");
  }

  private byte(): number {
    const byte = this.pos < this.len ? this.buf[this.pos] : undefined;
    if (byte === undefined)
      throw new RangeError(`index out of range: ${this.pos} + 1 > ${this.len}`);
    this.pos += 1;
    return byte;
  }
}

class ExactWriter extends BaseWriter {
  override int64(value: Int64 | { readonly low: number; readonly high: number }): this {
    if (typeof value === "object") return super.int64(value);
    if (typeof value === "number" && Number.isSafeInteger(value)) return super.int64(value);
    const wide = BigInt(value);
    if (wide > INT64_MAX || wide < INT64_MIN) {
      throw new RangeError(`${value} does not fit a 64-bit integer`);
    }
    const low = Number(BigInt.asIntN(32, wide));
    const high = Number(BigInt.asIntN(32, wide >> 32n));
    return super.int64({ low, high });
  }
}

function exact(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
