import {
  type FactsDraft,
  isObject,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
  type UsageMeter,
  type WireFormat,
} from "./format.ts";
import { openAiError } from "./openai-error.ts";
import { countOf, tierOf, UsageDraft, type UsageReading } from "./usage.ts";

/** OpenAI's chat completions, which many others speak too. */
export const OPENAI_CHAT: WireFormat = {
  name: "openai.chat",
  operation: "chat",
  capPaths: [["max_completion_tokens"], ["max_tokens"]],
  stripped: {
    tools: ["tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"],
    web_search: ["web_search_options"],
  },
  includeUsagePath: ["stream_options", "include_usage"],
  readFacts(body, facts) {
    readCommon(body, facts);
    const caps = [numberAt(body, "max_completion_tokens"), numberAt(body, "max_tokens")];
    facts.outputMax = Math.max(...caps);
    for (const message of listAt(body, "messages")) {
      facts.messages += 1;
      if (isObject(message)) readMessage(message, facts);
    }
    facts.tools = listAt(body, "tools").length + listAt(body, "functions").length;
    for (const name of ["tools", "functions", "response_format"]) facts.countMember(name);
    if (isObject(body["web_search_options"])) facts.flags.add("web_search");
    if (listAt(body, "modalities").includes("audio")) facts.flags.add("audio_output");
  },
  openMeter: () => new ChatMeter(),
  errorBody: openAiError,
};

/** OpenAI's older text completions. */
export const OPENAI_COMPLETIONS: WireFormat = {
  name: "openai.completions",
  operation: "completion",
  capPaths: [["max_tokens"]],
  stripped: {},
  includeUsagePath: ["stream_options", "include_usage"],
  readFacts(body, facts) {
    readCommon(body, facts);
    facts.outputMax = numberAt(body, "max_tokens");
    // As many are made, and paid, as the best is chosen from, for each prompt.
    const prompts = readPrompt(body["prompt"], facts);
    facts.answers = Math.max(facts.answers, numberAt(body, "best_of")) * Math.max(1, prompts);
    facts.text.add(textAt(body, "suffix"));
  },
  openMeter: () => new ChatMeter(),
  errorBody: openAiError,
};

function readCommon(body: JsonObject, facts: FactsDraft): void {
  facts.model = textAt(body, "model");
  facts.answers = Math.max(1, numberAt(body, "n"));
  facts.stream = body["stream"] === true;
  facts.streamTellsUsage = objectAt(body, "stream_options")["include_usage"] === true;
  facts.serviceTier = tierOf(body["service_tier"]) || "standard";
}

/** One message of a chat, of whatever role. */
export function readMessage(message: JsonObject, facts: FactsDraft): void {
  readContent(message["content"], facts);
  facts.text.add(textAt(message, "name"));
  facts.text.add(textAt(message, "refusal"));
  facts.text.add(textAt(message, "reasoning_content"));
  for (const call of listAt(message, "tool_calls")) {
    if (!isObject(call)) continue;
    const of = isObject(call["custom"]) ? call["custom"] : objectAt(call, "function");
    for (const name of ["name", "arguments", "input"]) facts.text.add(textOf(of[name]));
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

function readContent(content: unknown, facts: FactsDraft): void {
  if (typeof content === "string") facts.text.add(content);
  if (!Array.isArray(content)) return;
  for (const part of content as readonly unknown[]) {
    if (typeof part === "string") facts.text.add(part);
    else if (isObject(part)) readPart(part, facts);
  }
}

/** A part of a message; the names are those of chat completions, responses and Mistral. */
export function readPart(part: JsonObject, facts: FactsDraft): void {
  switch (part["type"]) {
    case "text":
    case "input_text":
    case "output_text":
    case "refusal":
    case "thinking":
    case "reasoning_text":
    case "summary_text":
      facts.text.add(textOf(part["text"] ?? part["refusal"] ?? part["thinking"]));
      break;
    case "image_url":
    case "input_image":
    case "output_image":
      facts.media.images += 1;
      break;
    case "input_audio":
      facts.media.audio += 1;
      break;
    case "file":
    case "input_file":
    case "document_url":
      facts.media.files += 1;
      break;
    default:
      facts.media.unknown += 1;
      facts.text.add(JSON.stringify(part));
  }
}

/** A prompt as text, texts, token numbers or lists of them; tells how many prompts there are. */
export function readPrompt(prompt: unknown, facts: FactsDraft): number {
  if (typeof prompt === "string") {
    facts.text.add(prompt);
    return 1;
  }
  if (!Array.isArray(prompt)) return 0;
  const items = prompt as readonly unknown[];
  if (items.every((item) => typeof item === "number")) {
    facts.tokens += items.length;
    return 1;
  }
  return items.reduce<number>((sum, item) => sum + readPrompt(item, facts), 0);
}

const USAGE = new Set([
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "prompt_tokens_details",
  "completion_tokens_details",
  "input_tokens",
  "output_tokens",
  // Of providers that speak the format: DeepSeek's caches, Groq's and others' timings.
  "prompt_cache_hit_tokens",
  "prompt_cache_miss_tokens",
  "queue_time",
  "prompt_time",
  "completion_time",
  "total_time",
]);
const INPUT_DETAILS = new Set([
  "cached_tokens",
  "cache_write_tokens",
  "cache_write_tokens_details",
  "audio_tokens",
  "image_tokens",
  "text_tokens",
]);
const WRITE_DETAILS = new Set(["ttl_30m_tokens", "ttl_12h_tokens"]);
const OUTPUT_DETAILS = new Set([
  "reasoning_tokens",
  "audio_tokens",
  "image_tokens",
  "text_tokens",
  "accepted_prediction_tokens",
  "rejected_prediction_tokens",
]);

/** The figures of OpenAI's usage object, in the names of chat or of responses. */
export function readOpenAiUsage(usage: JsonObject, draft: UsageDraft): void {
  const input = countOf(usage["prompt_tokens"] ?? usage["input_tokens"]);
  const output = countOf(usage["completion_tokens"] ?? usage["output_tokens"]);
  const inputName = isObject(usage["prompt_tokens_details"])
    ? "prompt_tokens_details"
    : "input_tokens_details";
  const outputName = isObject(usage["completion_tokens_details"])
    ? "completion_tokens_details"
    : "output_tokens_details";
  const inputs = objectAt(usage, inputName);
  const outputs = objectAt(usage, outputName);
  const writes = objectAt(inputs, "cache_write_tokens_details");
  const written = countOf(inputs["cache_write_tokens"]);
  // The engine has two lives of a cache: the provider's shortest, and a longer one.
  const long = Math.min(countOf(writes["ttl_12h_tokens"]), written);
  const reasoning = countOf(outputs["reasoning_tokens"]);
  draft.figures({
    input,
    cacheRead: countOf(inputs["cached_tokens"] ?? usage["prompt_cache_hit_tokens"]),
    cacheWrite1h: long,
    cacheWrite5m: written - long,
    output: isApart(usage, input, output, reasoning) ? output + reasoning : output,
    reasoning,
  });
  draft.beside("audio_input", inputs["audio_tokens"]);
  draft.beside("image_input", inputs["image_tokens"]);
  draft.beside("audio_output", outputs["audio_tokens"]);
  draft.beside("image_output", outputs["image_tokens"]);
  draft.checkNames(inputs, `usage.${inputName}`, INPUT_DETAILS);
  draft.checkNames(writes, `usage.${inputName}.cache_write_tokens_details`, WRITE_DETAILS);
  draft.checkNames(outputs, `usage.${outputName}`, OUTPUT_DETAILS);
}

/** Some that speak the format count reasoning beside the output; their total gives it away. */
function isApart(usage: JsonObject, input: number, output: number, reasoning: number): boolean {
  if (reasoning === 0) return false;
  return reasoning > output || countOf(usage["total_tokens"]) === input + output + reasoning;
}

class ChatMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  take(document: unknown): void {
    if (!isObject(document)) return;
    const draft = this.#draft;
    draft.model = textAt(document, "model") || draft.model;
    draft.serviceTier = tierOf(document["service_tier"]) || draft.serviceTier;
    for (const choice of listAt(document, "choices")) {
      if (isObject(choice)) takeChoice(choice, draft);
    }
    // Groq puts the figures of a stream into a member of its own.
    const usage = document["usage"] ?? objectAt(document, "x_groq")["usage"];
    if (!isObject(usage)) return;
    readOpenAiUsage(usage, draft);
    draft.checkNames(usage, "usage", USAGE);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}

/** A choice of a whole answer or of one event. */
export function takeChoice(choice: JsonObject, draft: UsageDraft): void {
  draft.text(choice["text"]);
  const reason = textAt(choice, "finish_reason");
  if (reason !== "") draft.outcome = OUTCOMES.get(reason) ?? "ok";
  const said = isObject(choice["delta"]) ? choice["delta"] : objectAt(choice, "message");
  const { content } = said;
  if (typeof content === "string") draft.text(content);
  for (const name of ["refusal", "reasoning_content", "reasoning"]) draft.text(said[name]);
  for (const part of listAt(said, "content")) if (isObject(part)) draft.text(part["text"]);
  for (const call of listAt(said, "tool_calls")) {
    if (!isObject(call)) continue;
    const of = objectAt(call, "function");
    draft.text(of["name"]);
    draft.text(of["arguments"]);
  }
}

const OUTCOMES = new Map<string, UsageReading["outcome"]>([
  ["stop", "ok"],
  ["tool_calls", "ok"],
  ["function_call", "ok"],
  ["length", "truncated"],
  ["model_length", "truncated"],
  ["content_filter", "filtered"],
  ["error", "error"],
]);
