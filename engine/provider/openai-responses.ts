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
import { readOpenAiUsage, readPart } from "./openai-chat.ts";
import { openAiError } from "./openai-error.ts";
import { tierOf, UsageDraft, type UsageReading } from "./usage.ts";

/** OpenAI's responses. Its streams always end with figures. */
export const OPENAI_RESPONSES: WireFormat = {
  name: "openai.responses",
  operation: "chat",
  capPaths: [["max_output_tokens"]],
  stripped: { tools: ["tools", "tool_choice", "parallel_tool_calls", "max_tool_calls"] },
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    facts.outputMax = numberAt(body, "max_output_tokens");
    facts.stream = body["stream"] === true;
    facts.streamTellsUsage = true;
    facts.serviceTier = tierOf(body["service_tier"]) || "standard";
    facts.text.add(textAt(body, "instructions"));
    if (typeof body["input"] === "string") {
      facts.messages += 1;
      facts.text.add(body["input"]);
    }
    for (const item of listAt(body, "input")) if (isObject(item)) readItem(item, facts);
    readTools(body, facts);
    // What the provider keeps itself is input that the body does not show.
    for (const name of ["previous_response_id", "conversation", "prompt"]) {
      if (body[name] !== undefined && body[name] !== null) facts.flags.add("hidden_input");
    }
    if (body["background"] === true) facts.flags.add("background");
  },
  openMeter: () => new ResponsesMeter(),
  errorBody: openAiError,
};

function readItem(item: JsonObject, facts: FactsDraft): void {
  const kind = item["type"] ?? "message";
  if (kind === "message") {
    facts.messages += 1;
    if (typeof item["content"] === "string") facts.text.add(item["content"]);
    for (const part of listAt(item, "content")) if (isObject(part)) readPart(part, facts);
    return;
  }
  if (kind === "item_reference") facts.flags.add("hidden_input");
  // Calls, their outputs and reasoning: text throughout, as they stand.
  facts.messages += 1;
  const output = item["output"];
  if (Array.isArray(output)) {
    for (const part of output as readonly unknown[]) if (isObject(part)) readPart(part, facts);
    return;
  }
  facts.text.add(JSON.stringify(item));
}

function readTools(body: JsonObject, facts: FactsDraft): void {
  const tools = listAt(body, "tools");
  facts.tools = tools.length;
  facts.countMember("tools");
  if (isObject(body["text"])) facts.countMember("text");
  for (const tool of tools) {
    const kind = isObject(tool) ? textAt(tool, "type") : "";
    if (kind.startsWith("web_search")) facts.flags.add("web_search");
    else if (kind !== "function" && kind !== "custom") facts.flags.add("provider_tools");
  }
}

const USAGE = new Set([
  "input_tokens",
  "input_tokens_details",
  "output_tokens",
  "output_tokens_details",
  "total_tokens",
]);

class ResponsesMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  take(document: unknown): void {
    if (!isObject(document)) return;
    const kind = textAt(document, "type");
    if (kind.endsWith(".delta")) this.#draft.text(document["delta"]);
    const response = kind.startsWith("response.") ? objectAt(document, "response") : document;
    this.#takeResponse(response, kind === "");
  }

  #takeResponse(response: JsonObject, isWhole: boolean): void {
    const draft = this.#draft;
    draft.model = textAt(response, "model") || draft.model;
    draft.serviceTier = tierOf(response["service_tier"]) || draft.serviceTier;
    draft.outcome = outcomeOf(response) || draft.outcome;
    if (isWhole) for (const item of listAt(response, "output")) takeItem(item, draft);
    const { usage } = response;
    if (!isObject(usage)) return;
    readOpenAiUsage(usage, draft);
    draft.checkNames(usage, "usage", USAGE);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}

function takeItem(item: unknown, draft: UsageDraft): void {
  if (!isObject(item)) return;
  draft.text(item["arguments"]);
  for (const part of listAt(item, "content")) if (isObject(part)) draft.text(part["text"]);
  if (textAt(item, "type") === "web_search_call") {
    draft.other["web_search"] = (draft.other["web_search"] ?? 0) + 1;
  }
}

function outcomeOf(response: JsonObject): UsageReading["outcome"] {
  switch (response["status"]) {
    case "completed":
      return "ok";
    case "failed":
      return "error";
    case "cancelled":
      return "cancelled";
    case "incomplete":
      return textAt(objectAt(response, "incomplete_details"), "reason") === "content_filter"
        ? "filtered"
        : "truncated";
    default:
      return "";
  }
}
