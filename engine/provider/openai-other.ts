import { isObject, listAt, numberAt, textAt, type UsageMeter, type WireFormat } from "./format.ts";
import { readOpenAiUsage, readPrompt } from "./openai-chat.ts";
import { openAiError } from "./openai-error.ts";
import { UsageDraft, type UsageReading } from "./usage.ts";

/** OpenAI's embeddings, which Mistral and others speak too. */
export const OPENAI_EMBEDDINGS: WireFormat = {
  name: "openai.embeddings",
  operation: "embedding",
  capPaths: [],
  stripped: {},
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    readPrompt(body["input"], facts);
  },
  openMeter: () => new PlainMeter(),
  errorBody: openAiError,
};

/** OpenAI's image generation; its edits are uploads, which are not read. */
export const OPENAI_IMAGES: WireFormat = {
  name: "openai.images",
  operation: "image",
  capPaths: [],
  stripped: {},
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    facts.answers = Math.max(1, numberAt(body, "n"));
    facts.stream = body["stream"] === true;
    facts.streamTellsUsage = true;
    facts.text.add(textAt(body, "prompt"));
    facts.flags.add("image_output");
  },
  openMeter: () => new PlainMeter(),
  errorBody: openAiError,
};

/** OpenAI's speech; the answer is sound, so figures come with its events only. */
export const OPENAI_SPEECH: WireFormat = {
  name: "openai.speech",
  operation: "audio",
  capPaths: [],
  stripped: {},
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    facts.stream = textAt(body, "stream_format") === "sse";
    facts.streamTellsUsage = true;
    facts.text.add(textAt(body, "input"));
    facts.text.add(textAt(body, "instructions"));
    facts.flags.add("audio_output");
  },
  openMeter: () => new PlainMeter(),
  errorBody: openAiError,
};

const USAGE = new Set([
  "prompt_tokens",
  "input_tokens",
  "input_tokens_details",
  "output_tokens",
  "output_tokens_details",
  "total_tokens",
  "prompt_audio_seconds",
  "completion_tokens",
]);

/** Figures beside the answer; what answers hold is no text. */
class PlainMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  take(document: unknown): void {
    if (!isObject(document)) return;
    const draft = this.#draft;
    draft.model = textAt(document, "model") || draft.model;
    if (listAt(document, "data").length > 0) draft.outcome = "ok";
    if (
      textAt(document, "type").endsWith("completed") ||
      textAt(document, "type") === "speech.audio.done"
    ) {
      draft.outcome = "ok";
    }
    const { usage } = document;
    if (!isObject(usage)) return;
    readOpenAiUsage(usage, draft);
    draft.checkNames(usage, "usage", USAGE);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}
