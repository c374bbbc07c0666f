/** Protobuf by hand, for messages that no codec would write. */

/** A varint of any width; a negative number is its 64-bit two's complement. */
export function varint(value: number | bigint): Buffer {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (;;) {
    const low = Number(left & 127n);
    left >>= 7n;
    if (left === 0n) return Buffer.from([...bytes, low]);
    bytes.push(low | 128);
  }
}

function tag(field: number, wireType: number): Buffer {
  return varint((field << 3) | wireType);
}

/** A field of wire type 0. */
export function whole(field: number, value: number | bigint): Buffer {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

/** A field of wire type 1 that holds a double. */
export function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, 1), bytes]);
}

/** A field of wire type 5 that holds a float. */
export function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, 5), bytes]);
}

/** A field of wire type 2: a string, bytes or a message. */
export function sized(field: number, content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as Uint8Array);
  return Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
}

/** Only the start of a group, nested: what a parser without a bound would follow to its end. */
export function groups(field: number, depth: number): Buffer {
  return Buffer.concat(Array.from({ length: depth }, () => tag(field, 3)));
}
