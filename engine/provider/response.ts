import { estimateTokens, tokenizerOf } from "./estimate-tokens.ts";
import { EventStreamSplitter } from "./event-stream.ts";
import { type FormatName, isObject } from "./format.ts";
import { FORMATS } from "./formats.ts";
import { SseSplitter } from "./sse.ts";
import { NO_TOKENS, type TokenUsage, type UsageReading } from "./usage.ts";

/** Reads the usage out of a response as its bytes come. */
export interface ResponseReader {
  push(chunk: Uint8Array): void;
  /** What is known once the response, or the part of it that came, is over. */
  end(): UsageReading;
}

/** Largest JSON answer that is kept to be read, bytes; embeddings of many items are large. */
const JSON_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A reader of a response by its content type: JSON, server-sent events, Amazon's event stream. Of any
 * other type (sound, an image) nothing is read.
 */
export function openResponseReader(format: FormatName, contentType: string): ResponseReader {
  const meter = FORMATS[format].openMeter();
  const kind = contentType.toLowerCase();
  const takeText = (text: string): void => {
    if (text !== "" && text !== "[DONE]") meter.take(parse(text));
  };
  if (kind.includes("text/event-stream")) {
    const splitter = new SseSplitter(takeText);
    return {
      push: (chunk) => splitter.push(chunk),
      end: () => {
        splitter.end();
        return meter.reading();
      },
    };
  }
  if (kind.includes("vnd.amazon.eventstream")) {
    const splitter = new EventStreamSplitter((_, payload) => takeText(DECODER.decode(payload)));
    return { push: (chunk) => splitter.push(chunk), end: () => meter.reading() };
  }
  if (!kind.includes("json")) return { push: () => {}, end: () => meter.reading() };
  const chunks: Uint8Array[] = [];
  let size = 0;
  return {
    push: (chunk) => {
      size += chunk.length;
      if (size <= JSON_BYTES_MAX) chunks.push(chunk);
      else chunks.length = 0;
    },
    end: () => {
      if (size > 0 && size <= JSON_BYTES_MAX) takeText(textOf(chunks));
      return meter.reading();
    },
  };
}

/**
 * Reads what a caller kept of a response: the whole of it, its usage object alone, or a list of the
 * events that told usage, in their order. One nested deeper than the stack tells nothing.
 */
export function readUsageJson(format: FormatName, json: unknown): UsageReading {
  try {
    return readDocuments(format, json);
  } catch (thrown) {
    // Only JSON.stringify recurses.
    if (!(thrown instanceof RangeError)) throw thrown;
    return FORMATS[format].openMeter().reading();
  }
}

function readDocuments(format: FormatName, json: unknown): UsageReading {
  const meter = FORMATS[format].openMeter();
  const documents = Array.isArray(json) ? (json as readonly unknown[]) : [json];
  for (const document of documents) meter.take(document);
  const whole = meter.reading();
  if (whole.usage !== null) return whole;
  const bare = FORMATS[format].openMeter();
  const member = format.startsWith("google.") ? "usageMetadata" : "usage";
  for (const document of documents) if (isBare(document)) bare.take({ [member]: document });
  return bare.reading().usage === null ? whole : bare.reading();
}

/** A usage object by itself holds a count; an error or an event without figures holds none. */
function isBare(document: unknown): boolean {
  return (
    isObject(document) &&
    Object.entries(document).some(
      ([name, value]) =>
        /token/i.test(name) &&
        !/^max_/i.test(name) &&
        (typeof value === "number" || typeof value === "string"),
    )
  );
}

/**
 * The documents in pieces of text that were kept of a response: data of events, or the end of a JSON
 * answer from its `"usage"` on. What is cut and makes no sense is left out.
 */
export function readUsageFragments(format: FormatName, fragments: readonly string[]): UsageReading {
  const documents = fragments.flatMap((fragment) => documentOf(fragment));
  return readUsageJson(format, documents);
}

function documentOf(fragment: string): readonly unknown[] {
  const text = fragment.trim();
  const whole = parse(text);
  if (whole !== undefined) return [whole];
  const named = /^"(usage|usageMetadata)"\s*:\s*(?=\{)/.exec(text);
  if (named === null) return [];
  // The object ends where its braces balance; what follows it may be cut anywhere.
  const object = ENCODER.encode(text.slice(named[0].length));
  const end = objectEnd(object);
  const value = end === 0 ? undefined : parse(DECODER.decode(object.subarray(0, end)));
  return value === undefined ? [] : [{ [named[1] ?? ""]: value }];
}

function objectEnd(bytes: Uint8Array): number {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b) depth += 1;
    else if (byte === 0x7d) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return 0;
}

/** Usage to report: the provider's own, else an estimate from the text that was seen. */
export interface SettledUsage {
  readonly usage: TokenUsage;
  readonly basis: "provider" | "estimated";
}

/**
 * What a response is charged as. Figures of the provider count as they are, zeros too. Where there are
 * none that can be true, the input is the estimate of the request and the output that of the text that came; so is the
 * output of an answer that has not ended, if it is more than was told (Anthropic tells it at the end).
 */
export function settledUsage(
  reading: UsageReading,
  inputTokens: number,
  model: string,
): SettledUsage {
  const output = estimateTokens(reading.answered, tokenizerOf(model)).expected;
  const told = reading.isImplausible === true ? null : reading.usage;
  if (told !== null) {
    const isWhole = reading.outcome !== "" || told.output >= output;
    if (isWhole) return { usage: told, basis: "provider" };
    return { usage: { ...told, output }, basis: "estimated" };
  }
  const usage = { ...NO_TOKENS, input: inputTokens, output };
  return { usage, basis: "estimated" };
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

function textOf(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
