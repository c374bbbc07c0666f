import type { ServiceTier } from "../intent/intent.ts";
import type { TextCounter } from "./text-count.ts";
import type { Refusal } from "./refusal.ts";
import type { UsageReading } from "./usage.ts";

/** Wire formats that are read: one for each kind of request a provider's API has. */
export const FORMAT_NAMES = [
  "openai.chat",
  "openai.completions",
  "openai.responses",
  "openai.embeddings",
  "openai.images",
  "openai.speech",
  "anthropic.messages",
  "google.generate_content",
  "google.embed_content",
  "mistral.chat",
  "bedrock.converse",
] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export type JsonObject = Readonly<Record<string, unknown>>;

/** What of a request is no text. Each is a number of parts of the request. */
export interface MediaCount {
  readonly images: number;
  readonly audio: number;
  readonly files: number;
  /** Parts of a kind this code does not know; their JSON is counted as text. */
  readonly unknown: number;
}

/** Collects what one request says while its body is walked. */
export interface FactsDraft {
  readonly text: TextCounter;
  readonly media: { images: number; audio: number; files: number; unknown: number };
  model: string;
  /** 0: the request sets none. */
  outputMax: number;
  answers: number;
  stream: boolean;
  /** A stream will end with usage figures as the request stands. */
  streamTellsUsage: boolean;
  tools: number;
  messages: number;
  serviceTier: ServiceTier;
  /** Longest life of what the request asks the provider to write into its cache. */
  cacheWrite: "none" | "5m" | "1h";
  readonly flags: Set<string>;
  /** Tokens that the request gives as token numbers, not as text. */
  tokens: number;
  /** Counts the JSON text of one top-level member as it stands in the body. */
  countMember(name: string): void;
}

/** Reads the usage out of a response, one JSON document after the other. */
export interface UsageMeter {
  /** The whole response, or one event of its stream; what is no object is ignored. */
  take(document: unknown): void;
  /** What is known so far. */
  reading(): UsageReading;
}

/** Everything about one wire format that differs from the others. */
export interface WireFormat {
  readonly name: FormatName;
  readonly operation: "chat" | "completion" | "embedding" | "image" | "audio";
  /** Where the request caps its output tokens; the first is where a cap is put that is not there. */
  readonly capPaths: readonly (readonly string[])[];
  /** Members to drop for a feature that a decision strips: "tools", "web_search". */
  readonly stripped: Readonly<Record<string, readonly string[]>>;
  /** Member that makes a stream tell its usage, where the format has one. */
  readonly includeUsagePath: readonly string[] | null;
  readFacts(body: JsonObject, facts: FactsDraft): void;
  openMeter(): UsageMeter;
  /** Body and format-own headers of an error, as the provider itself would send it. */
  errorBody(refusal: Refusal): {
    readonly body: object;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The member of an object, an empty object where there is none. */
export function objectAt(value: JsonObject, name: string): JsonObject {
  const member = value[name];
  return isObject(member) ? member : NOTHING;
}

export function listAt(value: JsonObject, name: string): readonly unknown[] {
  const member = value[name];
  return Array.isArray(member) ? (member as readonly unknown[]) : [];
}

export function textAt(value: JsonObject, name: string): string {
  const member = value[name];
  return typeof member === "string" ? member : "";
}

/** A whole number from 1 on, else 0. */
export function numberAt(value: JsonObject, name: string): number {
  const member = value[name];
  return typeof member === "number" && Number.isSafeInteger(member) && member > 0 ? member : 0;
}

const NOTHING: JsonObject = Object.freeze({});
