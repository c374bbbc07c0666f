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
import { countOf, tierOf, UsageDraft, type UsageReading } from "./usage.ts";
import type { Refusal } from "./refusal.ts";

/** Gemini's generateContent; the model stands in the path, the names may be in either case. */
export const GOOGLE_GENERATE_CONTENT: WireFormat = {
  name: "google.generate_content",
  operation: "chat",
  capPaths: [
    ["generationConfig", "maxOutputTokens"],
    ["generation_config", "max_output_tokens"],
    ["generationConfig", "max_output_tokens"],
    ["generation_config", "maxOutputTokens"],
  ],
  stripped: { tools: ["tools", "toolConfig", "tool_config"] },
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.streamTellsUsage = true;
    const config = either(body, "generationConfig", "generation_config");
    facts.outputMax = Math.max(
      numberAt(config, "maxOutputTokens"),
      numberAt(config, "max_output_tokens"),
    );
    facts.answers = Math.max(
      1,
      numberAt(config, "candidateCount"),
      numberAt(config, "candidate_count"),
    );
    facts.serviceTier = tierOf(body["serviceTier"] ?? body["service_tier"]) || "standard";
    readContent(either(body, "systemInstruction", "system_instruction"), facts);
    for (const content of listAt(body, "contents")) {
      facts.messages += 1;
      if (isObject(content)) readContent(content, facts);
    }
    readTools(body, facts);
    if (body["cachedContent"] ?? body["cached_content"]) facts.flags.add("hidden_input");
    if (listAt(config, "responseModalities").includes("IMAGE")) facts.flags.add("image_output");
    if (listAt(config, "responseModalities").includes("AUDIO")) facts.flags.add("audio_output");
  },
  openMeter: () => new GeminiMeter(),
  errorBody: googleError,
};

/** Gemini's embedContent and batchEmbedContents; their answers may tell no usage. */
export const GOOGLE_EMBED_CONTENT: WireFormat = {
  name: "google.embed_content",
  operation: "embedding",
  capPaths: [],
  stripped: {},
  includeUsagePath: null,
  readFacts(body, facts) {
    readContent(objectAt(body, "content"), facts);
    for (const request of listAt(body, "requests")) {
      if (isObject(request)) readContent(objectAt(request, "content"), facts);
    }
  },
  openMeter: () => new GeminiMeter(),
  errorBody: googleError,
};

function either(body: JsonObject, camel: string, snake: string): JsonObject {
  return isObject(body[camel]) ? body[camel] : objectAt(body, snake);
}

function readTools(body: JsonObject, facts: FactsDraft): void {
  facts.countMember("tools");
  for (const tool of listAt(body, "tools")) {
    if (!isObject(tool)) continue;
    const declared = tool["functionDeclarations"] ?? tool["function_declarations"];
    if (Array.isArray(declared)) facts.tools += declared.length;
    else if (Object.keys(tool).some((name) => /search/i.test(name))) facts.flags.add("web_search");
    else facts.flags.add("provider_tools");
  }
}

function readContent(content: JsonObject, facts: FactsDraft): void {
  for (const part of listAt(content, "parts")) if (isObject(part)) readPart(part, facts);
}

function readPart(part: JsonObject, facts: FactsDraft): void {
  if (typeof part["text"] === "string") {
    facts.text.add(part["text"]);
    return;
  }
  const inline = either(part, "inlineData", "inline_data");
  const file = either(part, "fileData", "file_data");
  const kind =
    textAt(inline, "mimeType") ||
    textAt(inline, "mime_type") ||
    textAt(file, "mimeType") ||
    textAt(file, "mime_type");
  if (kind.startsWith("image/")) facts.media.images += 1;
  else if (kind.startsWith("audio/")) facts.media.audio += 1;
  else if (kind !== "" || Object.keys(file).length > 0) facts.media.files += 1;
  else if (CALLS.some((name) => isObject(part[name]))) facts.text.add(JSON.stringify(part));
  else {
    facts.media.unknown += 1;
    facts.text.add(JSON.stringify(part));
  }
}

const CALLS = [
  "functionCall",
  "function_call",
  "functionResponse",
  "function_response",
  "executableCode",
  "codeExecutionResult",
];

const USAGE = new Set([
  "promptTokenCount",
  "candidatesTokenCount",
  "totalTokenCount",
  "cachedContentTokenCount",
  "thoughtsTokenCount",
  "toolUsePromptTokenCount",
  "promptTokensDetails",
  "candidatesTokensDetails",
  "cacheTokensDetails",
  "toolUsePromptTokensDetails",
  "trafficType",
  "serviceTier",
]);

class GeminiMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  take(document: unknown): void {
    // Without alt=sse a stream is one JSON array.
    if (Array.isArray(document)) {
      for (const one of document as readonly unknown[]) this.take(one);
    }
    if (!isObject(document)) return;
    const draft = this.#draft;
    draft.model = textAt(document, "modelVersion") || draft.model;
    if (textAt(objectAt(document, "promptFeedback"), "blockReason") !== "") {
      draft.outcome = "filtered";
    }
    for (const candidate of listAt(document, "candidates")) {
      if (isObject(candidate)) takeCandidate(candidate, draft);
    }
    if (isObject(document["embedding"]) || listAt(document, "embeddings").length > 0) {
      draft.outcome = "ok";
    }
    const usage = document["usageMetadata"];
    if (isObject(usage)) takeUsage(usage, draft);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}

function takeCandidate(candidate: JsonObject, draft: UsageDraft): void {
  const reason = textAt(candidate, "finishReason");
  if (reason !== "" && reason !== "FINISH_REASON_UNSPECIFIED") {
    draft.outcome = OUTCOMES.get(reason) ?? (FILTERS.test(reason) ? "filtered" : "error");
  }
  for (const part of listAt(objectAt(candidate, "content"), "parts")) {
    if (!isObject(part)) continue;
    draft.text(part["text"]);
    if (isObject(part["functionCall"])) draft.text(JSON.stringify(part["functionCall"]));
  }
}

/** Thoughts and what tools put into the prompt are told apart from candidates and prompt. */
function takeUsage(usage: JsonObject, draft: UsageDraft): void {
  const thoughts = countOf(usage["thoughtsTokenCount"]);
  draft.figures({
    input: countOf(usage["promptTokenCount"]) + countOf(usage["toolUsePromptTokenCount"]),
    cacheRead: countOf(usage["cachedContentTokenCount"]),
    output: countOf(usage["candidatesTokenCount"]) + thoughts,
    reasoning: thoughts,
  });
  draft.serviceTier = tierOf(usage["serviceTier"] ?? usage["trafficType"]) || draft.serviceTier;
  for (const [name, suffix] of [
    ["promptTokensDetails", "input"],
    ["candidatesTokensDetails", "output"],
  ] as const) {
    for (const detail of listAt(usage, name)) {
      if (!isObject(detail)) continue;
      const modality = textAt(detail, "modality").toLowerCase();
      if (/^(audio|image|video|document)$/.test(modality)) {
        draft.beside(`${modality}_${suffix}`, detail["tokenCount"]);
      }
    }
  }
  draft.checkNames(usage, "usageMetadata", USAGE);
}

const OUTCOMES = new Map<string, UsageReading["outcome"]>([
  ["STOP", "ok"],
  ["MAX_TOKENS", "truncated"],
]);
const FILTERS = /SAFETY|RECITATION|BLOCKLIST|PROHIBITED|SPII|LANGUAGE/;

function googleError(refusal: Refusal): { readonly body: object } {
  const { code, decisionId, details, kind, message, retryAfterMs } = refusal;
  const [status, word] = ERRORS[kind];
  const info = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: code,
    domain: "weir",
    metadata: { ...details, decision_id: decisionId },
  };
  const retry = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    retryDelay: `${retryAfterMs / 1_000}s`,
  };
  return {
    body: {
      error: {
        code: status,
        message,
        status: word,
        details: retryAfterMs > 0 ? [info, retry] : [info],
      },
    },
  };
}

const ERRORS = {
  blocked: [403, "PERMISSION_DENIED"],
  throttled: [429, "RESOURCE_EXHAUSTED"],
  fault: [503, "UNAVAILABLE"],
} as const;
