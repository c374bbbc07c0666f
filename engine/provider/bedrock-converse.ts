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

/** Bedrock's converse and converse-stream; the model stands in the path. */
export const BEDROCK_CONVERSE: WireFormat = {
  name: "bedrock.converse",
  operation: "chat",
  capPaths: [["inferenceConfig", "maxTokens"]],
  stripped: { tools: ["toolConfig"] },
  includeUsagePath: null,
  readFacts(body, facts) {
    facts.streamTellsUsage = true;
    facts.outputMax = numberAt(objectAt(body, "inferenceConfig"), "maxTokens");
    facts.serviceTier = tierOf(objectAt(body, "serviceTier")["type"]) || "standard";
    readContent(listAt(body, "system"), facts);
    for (const message of listAt(body, "messages")) {
      facts.messages += 1;
      if (isObject(message)) readContent(listAt(message, "content"), facts);
    }
    const tools = listAt(objectAt(body, "toolConfig"), "tools");
    facts.tools = tools.length;
    facts.countMember("toolConfig");
    for (const tool of tools) if (isObject(tool)) noteCache(tool, facts);
    if (isObject(body["promptVariables"])) facts.flags.add("hidden_input");
  },
  openMeter: () => new ConverseMeter(),
  errorBody(refusal) {
    const { kind, message } = refusal;
    const weir = refusalDetails(refusal);
    return { body: { message, weir }, headers: { "x-amzn-errortype": ERROR_TYPES[kind] } };
  },
};

const ERROR_TYPES = {
  blocked: "AccessDeniedException",
  throttled: "ThrottlingException",
  fault: "ServiceUnavailableException",
} as const;

function noteCache(part: JsonObject, facts: FactsDraft): boolean {
  const point = part["cachePoint"];
  if (!isObject(point)) return false;
  if (point["ttl"] === "1h") facts.cacheWrite = "1h";
  else if (facts.cacheWrite === "none") facts.cacheWrite = "5m";
  return true;
}

function readContent(blocks: readonly unknown[], facts: FactsDraft): void {
  for (const block of blocks) if (isObject(block)) readBlock(block, facts);
}

function readBlock(block: JsonObject, facts: FactsDraft): void {
  if (noteCache(block, facts)) return;
  if (typeof block["text"] === "string") facts.text.add(block["text"]);
  else if (isObject(block["image"])) facts.media.images += 1;
  else if (isObject(block["audio"])) facts.media.audio += 1;
  else if (isObject(block["document"]) || isObject(block["video"])) facts.media.files += 1;
  else if (isObject(block["toolResult"]))
    readContent(listAt(block["toolResult"], "content"), facts);
  else if (isObject(block["toolUse"])) facts.text.add(JSON.stringify(block["toolUse"]));
  else if (isObject(block["json"])) facts.text.add(JSON.stringify(block["json"]));
  else if (isObject(block["guardContent"])) {
    facts.text.add(textAt(objectAt(block["guardContent"], "text"), "text"));
  } else if (isObject(block["reasoningContent"])) {
    facts.text.add(textAt(objectAt(block["reasoningContent"], "reasoningText"), "text"));
  } else {
    facts.media.unknown += 1;
    facts.text.add(JSON.stringify(block));
  }
}

const USAGE = new Set([
  "inputTokens",
  "outputTokens",
  "totalTokens",
  "cacheReadInputTokens",
  "cacheWriteInputTokens",
  "cacheReadInputTokenCount",
  "cacheWriteInputTokenCount",
  "cacheDetails",
  "serverToolUsage",
]);

class ConverseMeter implements UsageMeter {
  readonly #draft = new UsageDraft();

  /** A whole answer, or the payload of one event. */
  take(document: unknown): void {
    if (!isObject(document)) return;
    const draft = this.#draft;
    const reason = textAt(document, "stopReason");
    if (reason !== "") draft.outcome = OUTCOMES.get(reason) ?? "error";
    draft.serviceTier = tierOf(objectAt(document, "serviceTier")["type"]) || draft.serviceTier;
    const message = objectAt(objectAt(document, "output"), "message");
    for (const block of listAt(message, "content")) if (isObject(block)) takeBlock(block, draft);
    takeBlock(objectAt(document, "delta"), draft);
    const { usage } = document;
    if (isObject(usage)) takeUsage(usage, draft);
  }

  reading(): UsageReading {
    return this.#draft.reading();
  }
}

function takeBlock(block: JsonObject, draft: UsageDraft): void {
  draft.text(block["text"]);
  const tool = objectAt(block, "toolUse");
  draft.text(typeof tool["input"] === "object" ? JSON.stringify(tool["input"]) : tool["input"]);
  const reasoning = objectAt(block, "reasoningContent");
  draft.text(reasoning["text"] ?? objectAt(reasoning, "reasoningText")["text"]);
}

/** Cache reads and writes stand beside the input here. */
function takeUsage(usage: JsonObject, draft: UsageDraft): void {
  const read = countOf(usage["cacheReadInputTokens"] ?? usage["cacheReadInputTokenCount"]);
  const written = countOf(usage["cacheWriteInputTokens"] ?? usage["cacheWriteInputTokenCount"]);
  let hour = 0;
  for (const detail of listAt(usage, "cacheDetails")) {
    if (isObject(detail) && detail["ttl"] === "1h") hour += countOf(detail["inputTokens"]);
  }
  draft.figures({
    input: countOf(usage["inputTokens"]) + read + written,
    cacheRead: read,
    cacheWrite5m: Math.max(0, written - hour),
    cacheWrite1h: Math.min(hour, written),
    output: countOf(usage["outputTokens"]),
  });
  draft.checkNames(usage, "usage", USAGE);
}

const OUTCOMES = new Map<string, UsageReading["outcome"]>([
  ["end_turn", "ok"],
  ["tool_use", "ok"],
  ["stop_sequence", "ok"],
  ["max_tokens", "truncated"],
  ["model_context_window_exceeded", "truncated"],
  ["guardrail_intervened", "filtered"],
  ["content_filtered", "filtered"],
]);
