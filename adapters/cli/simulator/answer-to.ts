import type { ProviderRoute } from "../../../engine/provider/route.ts";
import type { Answer } from "./answers.ts";

const WORDS = 12;
const CAPS = [
  "max_completion_tokens",
  "max_tokens",
  "max_output_tokens",
  "maxOutputTokens",
  "maxTokens",
];

/** What a request is answered: `words` words, a token each, unless it caps the answer lower. */
export function answerTo(
  route: ProviderRoute,
  body: Readonly<Record<string, unknown>>,
  text: string,
  words = WORDS,
): Answer {
  const settings = body["generationConfig"] ?? body["inferenceConfig"] ?? body;
  const caps = CAPS.map((name) => Number((settings as Record<string, unknown>)[name] ?? Infinity));
  const output = /embed/.test(route.format) ? 0 : Math.min(words, ...caps);
  const asked = (body["stream_options"] as { include_usage?: boolean } | undefined)?.include_usage;
  const named = typeof body["model"] === "string" ? body["model"] : "";
  return {
    asksUsage: asked === true,
    // One token for four characters.
    input: Math.ceil(text.length / 4),
    isCut: output < words,
    model: route.pathModel ?? named,
    output,
    words: Array.from({ length: output }, (_, index) => (index === 0 ? "word" : ` word${index}`)),
  };
}
