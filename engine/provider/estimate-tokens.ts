import { FEATURES, type TextCount } from "./text-count.ts";
import { type TextKind, type TokenizerFamily, TOKENIZERS } from "./tokenizers.ts";

/** Tokens of a text; expected ≤ p95 ≤ most. */
export interface TokenEstimate {
  readonly expected: number;
  /** 95 of 100 texts stay below; no bound against an author who wants to pass it. */
  readonly p95: number;
  /** No text of this size has more: one token a byte. */
  readonly most: number;
}

/** Tokens of counted text, without what a chat format adds; integers. */
export function estimateTokens(count: TextCount, family: TokenizerFamily): TokenEstimate {
  const { bytes, features } = count;
  if (bytes === 0) return { expected: 0, p95: 0, most: 0 };
  const { coefficients, p95 } = TOKENIZERS[family];
  let sum = 0;
  for (const [index, value] of features.entries()) sum += value * (coefficients[index] ?? 0);
  const expected = Math.max(1, Math.min(bytes, sum));
  const [factor, spread] = p95[kindOf(count)];
  const high = Math.min(bytes, factor * expected + spread * Math.sqrt(expected));
  return {
    expected: Math.round(expected),
    p95: Math.max(Math.round(expected), Math.ceil(high)),
    most: bytes,
  };
}

/** The kind of a text: the first whose share of the bytes is large enough. */
export function kindOf({ bytes, features }: TextCount): TextKind {
  const of = (...names: readonly (typeof FEATURES)[number][]): number =>
    names.reduce((sum, name) => sum + (features[FEATURES.indexOf(name)] ?? 0), 0) / bytes;
  const cjk = 3 * of("CJ", "KA", "HA");
  if (cjk > 0.15) return "cjk";
  if (2 * of("CC", "AC", "AD") + 3 * of("IC", "SY") + cjk + 4 * of("EM") > 0.15) return "script";
  if (of("RB", "PX4") > 0.16) return "dense";
  if (of("D", "DX") > 0.15) return "numeric";
  if (2 * of("LX") > 0.02) return "latinx";
  return of("WP", "P", "PX", "PX4") > 0.08 ? "code" : "text";
}

/** Families by model name, the first that matches. */
const FAMILY_BY_NAME: readonly (readonly [RegExp, TokenizerFamily])[] = [
  [/claude/, "claude"],
  [/gemini|gemma/, "gemma3"],
  [/mistral|ministral|mixtral|magistral|codestral|devstral|pixtral|voxtral/, "tekken"],
  [/deepseek/, "deepseek_v3"],
  [/qwen|qwq/, "qwen3"],
  [/llama/, "llama3"],
  [/gpt-3|gpt-4(?![.o])|text-embedding|davinci|babbage/, "cl100k"],
  [/gpt|o[1-9]|chatgpt|codex|sora|dall-e|tts|whisper|omni/, "o200k"],
];

/** The tokenizer of a model by its name; what is unknown counts as the one with the most tokens. */
export function tokenizerOf(model: string): TokenizerFamily {
  const name = model.toLowerCase();
  return FAMILY_BY_NAME.find(([pattern]) => pattern.test(name))?.[1] ?? "claude";
}
