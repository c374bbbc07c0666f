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
import { refusalDetails } from "./refusal.ts";
import { countOf, tierOf, UsageDraft, type UsageReading } from "./usage.ts";

/** Anthropic's messages. Its streams always tell usage, the input first. */
export const ANTHROPIC_MESSAGES: WireFormat = {
  name: "anthropic.messages",
  operation: "chat",
  capPaths: [["max_tokens"]],
  stripped: { tools: ["tools", "tool_choice", "mcp_servers"] },
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.model = textAt(body, "model");
    facts.outputMax = numberAt(body, "max_tokens");
    facts.stream = body["stream"] === true;
    facts.streamTellsUsage = true;
    facts.serviceTier = body["speed"] === "fast" ? "priority" : "standard";
    noteCache(body, facts);
    readContent(body["system"], facts);
    for (const message of listAt(body, "messages")) {
      facts.messages += 1;
      if (isObject(message)) readContent(message["content"], facts);
    }
    readTools(body, facts);
  },
  openMeter: () => new MessagesMeter(),
  errorBody(refusal) {
    const { kind, message } = refusal;
    const weir = refusalDetails(refusal);
    return { body: { type: "error", error: { type: ERROR_TYPES[kind], message }, weir } };
  },
};

const ERROR_TYPES = {
  blocked: "permission_error",
  throttled: "rate_limit_error",
  fault: "api_error",
} as const;

function readTools(body: JsonObject, facts: FactsDraft): void {
  const tools = listAt(body, "tools");
  facts.tools = tools.length;
  facts.countMember("tools");
  for (const tool of tools) {
    if (!isObject(tool)) continue;
    noteCache(tool, facts);
    const kind = textAt(tool, "type");
    if (kind.startsWith("web_search")) facts.flags.add("web_search");
    else if (kind !== "" && kind !== "custom") facts.flags.add("provider_tools");
  }
  if (listAt(body, "mcp_servers").length > 0) facts.flags.add("provider_tools");
  if (body["container"] !== undefined) facts.flags.add("hidden_input");
}

/** A mark up to which the provider caches; the longest life counts. */
function noteCache(part: JsonObject, facts: FactsDraft): void {
  const mark = part["cache_control"];
  if (!isObject(mark)) return;
  if (mark["ttl"] === "1h") facts.cacheWrite = "1h";
  else if (facts.cacheWrite === "none") facts.cacheWrite = "5m";
}

function readContent(content: unknown, facts: FactsDraft): void {
  if (typeof content === "string") facts.text.add(content);
  if (!Array.isArray(content)) return;
  for (const block of content as readonly unknown[]) if (isObject(block)) readBlock(block, facts);
}

function readBlock(block: JsonObject, facts: FactsDraft): void {
  noteCache(block, facts);
  switch (block["type"]) {
    case "text":
      facts.text.add(textAt(block, "text"));
      break;
    case "thinking":
      facts.text.add(textAt(block, "thinking"));
      break;
    case "image":
      facts.media.images += 1;
      break;
    case "document": {
      const source = objectAt(block, "source");
      if (source["type"] === "text") facts.text.add(textAt(source, "data"));
      else if (source["type"] === "content") readContent(source["content"], facts);
      else facts.media.files += 1;
      break;
    }
    case "container_upload":
      facts.media.files += 1;
      break;
    case "tool_use":
    case "server_tool_use":
      facts.text.add(textAt(block, "name"));
      facts.text.add(JSON.stringify(block["input"] ?? {}));
      break;
    case "tool_result":
    case "search_result":
      readContent(block["content"], facts);
      break;
    case "redacted_thinking":
      facts.text.add(textAt(block, "data"));
      break;
    default:
      facts.media.unknown += 1;
      facts.text.add(JSON.stringify(block));
  }
}

const USAGE = new Set([
  "input_tokens",
  "output_tokens",
  "cache_creation",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "inference_geo",
  "iterations",
  "output_tokens_details",
  "server_tool_use",
  "service_tier",
  "speed",
]);
const CACHE_CREATION = new Set(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]);
const OUTPUT_DETAILS = new Set(["thinking_tokens"]);
const SERVER_TOOLS = new Set(["web_search_requests", "web_fetch_requests"]);

class MessagesMeter implements UsageMeter {
  readonly #draft = new UsageDraft();
  // Every figure is cumulative: what a later event tells replaces what an earlier one told.
  readonly #told: Record<string, unknown> = {};

  take(document: unknown): void {
    if (!isObject(document)) return;
    switch (document["type"]) {
      case "message":
        this.#takeMessage(document);
        break;
      case "message_start":
        this.#takeMessage(objectAt(document, "message"));
        break;
      case "message_delta":
        this.#ended(objectAt(document, "delta"));
        this.#takeUsage(document["usage"]);
        break;
      case "content_block_start":
        this.#takeBlock(objectAt(document, "content_block"));
        break;
      case "content_block_delta": {
        const delta = objectAt(document, "delta");
        for (const name of ["text", "thinking", "partial_json"]) this.#draft.text(delta[name]);
        break;
      }
      case "error":
        this.#draft.outcome = "error";
        break;
      default:
        this.#takeUsage(document["usage"]);
    }
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }

  #takeMessage(message: JsonObject): void {
    this.#draft.model = textAt(message, "model") || this.#draft.model;
    for (const block of listAt(message, "content")) if (isObject(block)) this.#takeBlock(block);
    this.#ended(message);
    this.#takeUsage(message["usage"]);
  }

  #takeBlock(block: JsonObject): void {
    for (const name of ["text", "thinking", "name"]) this.#draft.text(block[name]);
    const { input } = block;
    if (isObject(input) && Object.keys(input).length > 0) this.#draft.text(JSON.stringify(input));
  }

  #ended(part: JsonObject): void {
    const reason = textAt(part, "stop_reason");
    if (reason !== "") this.#draft.outcome = OUTCOMES.get(reason) ?? "ok";
  }

  #takeUsage(usage: unknown): void {
    if (!isObject(usage)) return;
    const told = this.#told;
    for (const name in usage) if (usage[name] !== null) told[name] = usage[name];
    const draft = this.#draft;
    const created = objectAt(told, "cache_creation");
    const written = countOf(told["cache_creation_input_tokens"]);
    const hour = countOf(created["ephemeral_1h_input_tokens"]);
    // Without a breakdown, and for what it leaves over, the short life is the default.
    const short = Math.max(countOf(created["ephemeral_5m_input_tokens"]), written - hour);
    const read = countOf(told["cache_read_input_tokens"]);
    const outputs = objectAt(told, "output_tokens_details");
    draft.figures({
      input: countOf(told["input_tokens"]) + read + short + hour,
      cacheRead: read,
      cacheWrite5m: short,
      cacheWrite1h: hour,
      output: countOf(told["output_tokens"]),
      reasoning: countOf(outputs["thinking_tokens"]),
    });
    const fast = told["speed"] === "fast" ? "priority" : tierOf(told["service_tier"]);
    draft.serviceTier = fast || draft.serviceTier;
    const tools = objectAt(told, "server_tool_use");
    draft.beside("web_search", tools["web_search_requests"]);
    draft.beside("web_fetch", tools["web_fetch_requests"]);
    draft.checkNames(usage, "usage", USAGE);
    draft.checkNames(created, "usage.cache_creation", CACHE_CREATION);
    draft.checkNames(outputs, "usage.output_tokens_details", OUTPUT_DETAILS);
    draft.checkNames(tools, "usage.server_tool_use", SERVER_TOOLS);
  }
}

const OUTCOMES = new Map<string, UsageReading["outcome"]>([
  ["end_turn", "ok"],
  ["stop_sequence", "ok"],
  ["tool_use", "ok"],
  ["pause_turn", "ok"],
  ["max_tokens", "truncated"],
  ["model_context_window_exceeded", "truncated"],
  ["refusal", "filtered"],
]);
