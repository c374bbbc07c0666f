import {
  isObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
  type UsageMeter,
  type WireFormat,
} from "./format.ts";
import { readMessage, takeChoice } from "./openai-chat.ts";
import { refusalDetails } from "./refusal.ts";
import { countOf, UsageDraft, type UsageReading } from "./usage.ts";

/** Mistral's chat completions. Its streams always end with usage. */
export const MISTRAL_CHAT: WireFormat = {
  name: "mistral.chat",
  operation: "chat",
  capPaths: [["max_tokens"]],
  stripped: { tools: ["tools", "tool_choice", "parallel_tool_calls"] },
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    facts.outputMax = numberAt(body, "max_tokens");
    facts.answers = Math.max(1, numberAt(body, "n"));
    facts.stream = body["stream"] === true;
    facts.streamTellsUsage = true;
    for (const message of listAt(body, "messages")) {
      facts.messages += 1;
      if (isObject(message)) readMessage(message, facts);
    }
    facts.tools = listAt(body, "tools").length;
    for (const name of ["tools", "response_format"]) facts.countMember(name);
  },
  openMeter: () => new MistralMeter(),
  errorBody(refusal) {
    const { code, kind, message } = refusal;
    const weir = refusalDetails(refusal);
    return { body: { object: "error", message, type: ERROR_TYPES[kind], param: null, code, weir } };
  },
};

const ERROR_TYPES = {
  blocked: "forbidden",
  throttled: "rate_limited",
  fault: "service_unavailable",
} as const;

const USAGE = new Set([
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "prompt_audio_seconds",
  "prompt_tokens_details",
  "prompt_token_details",
  "num_cached_tokens",
]);
const DETAILS = new Set(["cached_tokens"]);

class MistralMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  take(document: unknown): void {
    if (!isObject(document)) return;
    const draft = this.#draft;
    draft.model = textAt(document, "model") || draft.model;
    for (const choice of listAt(document, "choices")) {
      if (isObject(choice)) takeChoice(choice, draft);
    }
    const { usage } = document;
    if (!isObject(usage)) return;
    const name = isObject(usage["prompt_token_details"])
      ? "prompt_token_details"
      : "prompt_tokens_details";
    const details = objectAt(usage, name);
    draft.figures({
      input: countOf(usage["prompt_tokens"]),
      cacheRead: countOf(details["cached_tokens"] ?? usage["num_cached_tokens"]),
      output: countOf(usage["completion_tokens"]),
    });
    draft.beside("audio_seconds", usage["prompt_audio_seconds"]);
    draft.checkNames(usage, "usage", USAGE);
    draft.checkNames(details, `usage.${name}`, DETAILS);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}
