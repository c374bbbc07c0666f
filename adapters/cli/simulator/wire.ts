import { crc32 } from "node:zlib";

/** Documents as one JSON text. */
export function jsonBytes(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

/** How server-sent events are written; providers differ. */
export interface SseForm {
  /** Each event carries a line with its type. */
  readonly named?: boolean;
  /** The stream ends with [DONE]. */
  readonly done?: boolean;
  readonly newline?: string;
}

/** Documents as server-sent events. */
export function sseBytes(documents: readonly unknown[], form: SseForm = {}): Uint8Array {
  const { done = false, named = false, newline = "\n" } = form;
  const events = documents.map((document) => {
    const name = named ? `event: ${(document as { type: string }).type}${newline}` : "";
    return `${name}data: ${JSON.stringify(document)}${newline}${newline}`;
  });
  if (done) events.push(`data: [DONE]${newline}${newline}`);
  return Buffer.from(events.join(""));
}

/** One message of Amazon's event stream. */
export function eventStreamMessage(kind: string, payload: unknown): Uint8Array {
  const headers = Buffer.concat([
    header(":event-type", kind),
    header(":content-type", "application/json"),
    header(":message-type", "event"),
  ]);
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(12 + headers.length + body.length + 4, 0);
  prelude.writeUInt32BE(headers.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const message = Buffer.concat([prelude, headers, body]);
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(message), 0);
  return Buffer.concat([message, end]);
}

const STRING_TYPE = 7;

function header(name: string, value: string): Buffer {
  const head = Buffer.from([name.length, ...Buffer.from(name), STRING_TYPE, 0, value.length]);
  return Buffer.concat([head, Buffer.from(value)]);
}
