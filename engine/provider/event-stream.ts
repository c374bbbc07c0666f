/**
 * Splits Amazon's binary event stream (application/vnd.amazon.eventstream) into its messages. Each is a
 * prelude of 12 bytes (total length, length of the headers, CRC-32 of those 8 bytes), headers, payload
 * and a CRC-32. Any byte may be a chunk border.
 */
export class EventStreamSplitter {
  readonly #onMessage: (kind: string, payload: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array();
  /** What came was no event stream; the rest is passed over. */
  #broken = false;

  /** `onMessage` gets the event's or exception's type and its payload. */
  constructor(onMessage: (kind: string, payload: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Uint8Array): void {
    if (this.#broken) return;
    let bytes = join(this.#rest, chunk);
    while (bytes.length >= PRELUDE_BYTES) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const total = view.getUint32(0);
      const headers = view.getUint32(4);
      const sound = crc32(bytes.subarray(0, 8)) === view.getUint32(8);
      if (!sound || total > MESSAGE_BYTES_MAX || total < PRELUDE_BYTES + headers + 4) {
        this.#broken = true;
        this.#rest = new Uint8Array();
        return;
      }
      if (bytes.length < total) break;
      const payload = bytes.subarray(PRELUDE_BYTES + headers, total - 4);
      this.#onMessage(kindOf(bytes.subarray(PRELUDE_BYTES, PRELUDE_BYTES + headers)), payload);
      bytes = bytes.subarray(total);
    }
    this.#rest = bytes.slice();
  }
}

const PRELUDE_BYTES = 12;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

function join(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

const DECODER = new TextDecoder();
/** Bytes of a header's value by its type; those of 6 and 7 are told by two bytes of length. */
const VALUE_BYTES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16];

/** The header ":event-type" or ":exception-type"; "" where there is neither. */
function kindOf(headers: Uint8Array): string {
  const view = new DataView(headers.buffer, headers.byteOffset, headers.byteLength);
  for (let at = 0; at + 2 < headers.length;) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd >= headers.length) return "";
    const name = DECODER.decode(headers.subarray(at + 1, nameEnd));
    const size = VALUE_BYTES[view.getUint8(nameEnd)];
    if (size === undefined) return "";
    let start = nameEnd + 1;
    let length = size;
    if (size === -1) {
      if (start + 2 > headers.length) return "";
      length = view.getUint16(start);
      start += 2;
    }
    if (name === ":event-type" || name === ":exception-type") {
      return DECODER.decode(headers.subarray(start, start + length));
    }
    at = start + length;
  }
  return "";
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 as in zip and Ethernet. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
