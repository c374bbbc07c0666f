import type { ServiceTier } from "../intent/intent.ts";
import { estimateTokens, type TokenEstimate, tokenizerOf } from "./estimate-tokens.ts";
import {
  type FactsDraft,
  type FormatName,
  isObject,
  type JsonObject,
  type MediaCount,
} from "./format.ts";
import { FORMATS } from "./formats.ts";
import { membersAt } from "./json-edit.ts";
import { TextCounter, type TextCount } from "./text-count.ts";

/** What a request to a provider says, as far as a decision needs it. */
export interface RequestFacts {
  readonly format: FormatName;
  readonly operation: "chat" | "completion" | "embedding" | "image" | "audio";
  /** Model asked for, as the provider names it; "" where neither body nor path does. */
  readonly model: string;
  readonly modelIn: "body" | "path";
  /** All text that is input, tool definitions included; counted, never kept. */
  readonly text: TextCount;
  /** Messages, tools and tokens given as numbers: what a chat format adds to the text follows. */
  readonly messages: number;
  readonly tools: number;
  readonly tokens: number;
  readonly media: MediaCount;
  /** Cap on output tokens that the request carries; 0: none. */
  readonly outputMax: number;
  readonly answers: number;
  readonly stream: boolean;
  /** A streamed answer will end with usage figures as the request stands. */
  readonly streamTellsUsage: boolean;
  readonly serviceTier: ServiceTier;
  readonly cacheWrite: "none" | "5m" | "1h";
  /**
   * What a text count does not see, sorted: "audio_output", "background", "hidden_input" (input the
   * provider keeps itself), "image_output", "media" (images, sound, files: counted by rule),
   * "media_unknown", "provider_tools", "web_search".
   */
  readonly flags: readonly string[];
}

/** A request that was read, or why it could not be. */
export type RequestReading =
  | { readonly ok: true; readonly facts: RequestFacts; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: string };

/** What of a request's address its body does not tell. */
export interface PathFacts {
  readonly format: FormatName;
  readonly pathModel: string | null;
  readonly pathStream: boolean;
}

/**
 * Reads the body of a call. `ok` is false where it is not JSON in UTF-8, no object, or names a member
 * that decides about the call twice: providers differ in which of the two they take.
 */
export function readRequest(path: PathFacts, body: Uint8Array | string): RequestReading {
  const bytes = typeof body === "string" ? ENCODER.encode(body) : body;
  const parsed = parse(typeof body === "string" ? body : bytes);
  if (typeof parsed === "string") return { ok: false, reason: parsed };
  const format = FORMATS[path.format];
  const start = bytes.indexOf(OPEN_BRACE);
  const members = membersAt(bytes, start);
  const twice = doubled(members.map(({ name }) => spellingOf(path.format, name)));
  if (twice !== undefined) {
    return { ok: false, reason: `the member ${JSON.stringify(twice.slice(0, 64))} is given twice` };
  }
  const draft = new Draft((name) => {
    const value = members.find((member) => member.name === name)?.value;
    if (value !== undefined) draft.text.addBytes(bytes.subarray(value.start, value.end));
  });
  try {
    format.readFacts(parsed, draft);
  } catch (thrown) {
    // Only a value nested deeper than the stack gets here: JSON.stringify recurses.
    if (!(thrown instanceof RangeError)) throw thrown;
    return { ok: false, reason: "the body is nested too deeply" };
  }
  return { ok: true, bytes, facts: draft.facts(path, format.operation) };
}

/** A body is refused by how deep it is only where that breaks something. */
function parse(body: Uint8Array | string): JsonObject | string {
  let text: string;
  try {
    text = typeof body === "string" ? body : DECODER.decode(body);
  } catch {
    return "the body is not UTF-8";
  }
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : "the body is not a JSON object";
  } catch {
    return "the body is not JSON";
  }
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const OPEN_BRACE = 0x7b;

/** Google takes a name in either case, so both are one member. */
function spellingOf(format: FormatName, name: string): string {
  if (!format.startsWith("google.")) return name;
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function doubled(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

class Draft implements FactsDraft {
  readonly text = new TextCounter();
  readonly media = { images: 0, audio: 0, files: 0, unknown: 0 };
  readonly flags = new Set<string>();
  readonly countMember: (name: string) => void;
  model = "";
  outputMax = 0;
  answers = 1;
  stream = false;
  streamTellsUsage = false;
  tools = 0;
  messages = 0;
  tokens = 0;
  serviceTier: ServiceTier = "standard";
  cacheWrite: "none" | "5m" | "1h" = "none";

  constructor(countMember: (name: string) => void) {
    this.countMember = countMember;
  }

  facts(path: PathFacts, operation: RequestFacts["operation"]): RequestFacts {
    const { answers, cacheWrite, flags, media, messages, outputMax, serviceTier } = this;
    const { text, tokens, tools, streamTellsUsage } = this;
    if (media.images + media.audio + media.files > 0) flags.add("media");
    if (media.unknown > 0) flags.add("media_unknown");
    return {
      format: path.format,
      operation,
      model: path.pathModel ?? this.model,
      modelIn: path.pathModel === null ? "body" : "path",
      text,
      messages,
      tools,
      tokens,
      media,
      outputMax,
      answers,
      stream: this.stream || path.pathStream,
      streamTellsUsage,
      serviceTier,
      cacheWrite,
      flags: [...flags].toSorted(),
    };
  }
}

/** What a chat format puts around the text, in tokens: [each message, each request, tools once]. */
const FRAME = { expected: [4, 3, 9], most: [16, 64, 512] } as const;

/** Tokens of one part that is no text, by rule: a middling image, a page or two of a file. */
const MEDIA = {
  images: { expected: 800, p95: 1_600, most: 6_000 },
  audio: { expected: 600, p95: 3_000, most: 60_000 },
  files: { expected: 2_500, p95: 20_000, most: 400_000 },
} as const;

/**
 * Input tokens of a request on a model (the asked one where none is given): text by estimate, media by
 * rule. `most` is one token a byte of text; where flags say "media" or "hidden_input" it is no bound.
 */
export function estimateInput(facts: RequestFacts, model: string = facts.model): TokenEstimate {
  const family = tokenizerOf(model);
  const text = estimateTokens(facts.text, family);
  const chat = facts.operation === "chat";
  const frame = (of: readonly [number, number, number]): number =>
    chat ? of[0] * facts.messages + of[1] + (facts.tools > 0 ? of[2] : 0) : 0;
  // Claude gets a system prompt of its own as soon as there are tools.
  const system = chat && family === "claude" && facts.tools > 0 ? 346 : 0;
  const media = (of: "expected" | "p95" | "most"): number =>
    facts.media.images * MEDIA.images[of] +
    facts.media.audio * MEDIA.audio[of] +
    facts.media.files * MEDIA.files[of];
  const given = facts.tokens;
  const expected = text.expected + frame(FRAME.expected) + system + media("expected") + given;
  const p95 = text.p95 + frame(FRAME.expected) + system + media("p95") + given;
  const most = text.most + frame(FRAME.most) + media("most") + given;
  return { expected, p95, most: Math.max(most, p95) };
}
