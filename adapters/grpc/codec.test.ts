import { expect, test } from "vitest";
import { parseIntent } from "../../engine/intent/parse.ts";
import { google, weir, type Int64 } from "../../proto/gen/weir.js";
import { decoder, encoder, requestDecoder, DecodeFailure } from "../../proto/codec.ts";
import { toIntent } from "./to-intent.ts";

const encodeTokens = encoder(weir.v1.Tokens);
const decodeTokens = requestDecoder(weir.v1.Tokens);
const decodeIntent = requestDecoder(weir.v1.Intent);

/** A field as bytes: what an independent implementation would write. */
function field(number: number, wireType: number, payload: number[] | Uint8Array): number[] {
  return [(number << 3) | wireType, ...payload];
}

function delimited(number: number, payload: number[] | Uint8Array): number[] {
  return field(number, 2, [payload.length, ...payload]);
}

/** The varint of a 64-bit integer by the definition, on bigints only. */
function varint(value: bigint): number[] {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("64-bit integers cross exactly: numbers where exact, bigints beyond", () => {
  const safe = BigInt(Number.MAX_SAFE_INTEGER);
  const edges = [0n, 1n, -1n, 127n, 128n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n, -(2n ** 53n)];
  const ends = [safe, -safe, safe + 2n, -safe - 2n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n];
  for (const value of [...edges, ...ends]) {
    const wanted: Int64 = value <= safe && value >= -safe ? Number(value) : value;
    const bytes = Buffer.from(field(1, 0, varint(value)));
    expect(decodeTokens(bytes)).toMatchObject({ input: wanted });
    const encoded = encodeTokens({ input: value });
    if (value !== 0n) expect(encoded).toEqual(bytes);
    expect(decodeTokens(encoded)).toMatchObject({ input: wanted });
    if (typeof wanted === "number")
      expect(encodeTokens({ input: wanted })).toEqual(encodeOf(value));
  }
});

function encodeOf(value: bigint): Buffer {
  return Buffer.from(value === 0n ? [] : field(1, 0, varint(value)));
}

test("an integer beyond 64 bits or with a fraction is not encoded as something else", () => {
  for (const input of [2n ** 63n, -(2n ** 63n) - 1n, 2 ** 63, 1.5, Number.NaN, Infinity]) {
    expect(() => encodeTokens({ input })).toThrow(RangeError);
  }
});

test("a count above 2^53 reaches the engine as it is and is refused with its value", () => {
  const sent = { id: "i", attribution: { tenant: "t" }, operation: 1, model: "a:b" };
  const tokens = { input: 2n ** 53n + 1n };
  const intent = decodeIntent(encoder(weir.v1.Intent)({ ...sent, tokens }));
  expect(() => parseIntent(toIntent(intent as weir.v1.Intent), "p")).toThrow("9007199254740993");
});

test("maps with hostile keys stay plain data", () => {
  const entry = (key: string): number[] =>
    delimited(13, [...delimited(1, text(key)), ...delimited(2, text("x"))]);
  const bytes = ["__proto__", "constructor", "toString"].flatMap(entry);
  const intent = decodeIntent(Buffer.from(bytes)) as weir.v1.Intent;
  expect(Object.keys(intent.labels)).toEqual(["__proto__", "constructor", "toString"]);
  expect(Object.values(intent.labels)).toEqual(["x", "x", "x"]);
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  expect(Object.getPrototypeOf(intent.labels)).toBe(Object.prototype);
  expect(decodeIntent(encoder(weir.v1.Intent)(intent))).toEqual(intent);
});

test.each([
  ["invalid UTF-8", delimited(1, [0xff, 0xfe]), /not valid|invalid/i],
  ["a lone surrogate as UTF-8", delimited(1, [0xed, 0xa0, 0x80]), /not valid|invalid/i],
  ["an overlong encoding", delimited(1, [0xc0, 0x80]), /not valid|invalid/i],
  ["invalid UTF-8 in a long string", delimited(1, Array(100).fill(0xff)), /not valid|invalid/i],
  ["a string cut short", field(1, 2, [10, 65]), /out of range/],
  ["a nested message cut short", field(6, 2, [5, 8, 1]), /out of range/],
  ["a varint cut short", delimited(6, [8, 0x80]), /out of range/],
  ["a varint of eleven bytes", delimited(6, field(1, 0, [...Array(10).fill(0xff), 1])), /varint/],
  ["a double in an int64 field", delimited(6, field(1, 1, Array(8).fill(1))), /wire type 1/],
  ["a fixed32 in an int64 field", delimited(6, field(1, 5, Array(4).fill(1))), /wire type 5/],
  ["a number in a string field", field(1, 0, [5]), /field 1 has wire type 0, expected 2/],
  ["a number as a map entry", field(13, 0, [5]), /field 13 has wire type 0/],
  ["field number 0", [0, 0], /./],
  ["an end-group without a start", [0x0c], /./],
  ["noise", [...text("not a protobuf at all, is it")], /./],
])("%s is a failure that names the cause, not a throw", (_name, bytes, reason) => {
  const decoded = decodeIntent(Buffer.from(bytes));
  expect(decoded).toBeInstanceOf(DecodeFailure);
  expect((decoded as DecodeFailure).reason).toMatch(reason);
});

test("a failure keeps the tag of its stream message", () => {
  const decode = requestDecoder(weir.v1.DecideStreamRequest);
  const broken = Buffer.from([...field(1, 0, varint(42n)), ...delimited(2, [0x08])]);
  expect(decode(broken)).toMatchObject({ tag: 42, reason: expect.any(String) });
});

test("fields a newer contract may add are skipped", () => {
  const fieldNumber31 = [0xfa, 0x01, 1, 65];
  const unknown = Buffer.from([...fieldNumber31, ...delimited(1, text("i-1"))]);
  expect(decodeIntent(unknown)).toMatchObject({ id: "i-1" });
  expect(decodeIntent(unknown)).not.toHaveProperty("$unknowns");
});

test("an empty message has every field at its default", () => {
  const intent = decodeIntent(Buffer.alloc(0)) as weir.v1.Intent;
  expect(intent.id).toBe("");
  expect(intent.deadlineMs).toBe(0);
  expect(intent.tokens).toBeNull();
  expect(toIntent(intent)).toMatchObject({
    operation: undefined,
    serviceTier: "standard",
    tokens: undefined,
    data: undefined,
  });
});

test("status details are decoded with their bytes", () => {
  const message = { code: 3, message: "m", details: [{ type_url: "t", value: Buffer.from("v") }] };
  const decoded = decoder(google.rpc.Status)(encoder(google.rpc.Status)(message));
  expect(decoded.details[0]).toMatchObject({ type_url: "t" });
  expect(Buffer.from(decoded.details[0]?.value ?? [])).toEqual(Buffer.from("v"));
});
