import { estimateTokens, tokenizerOf } from "../../engine/provider/estimate-tokens.ts";
import { TextCounter } from "../../engine/provider/text-count.ts";
import type { WeirSdk } from "./client.ts";
import type { CallDecision, CallIntent, CallOutcome, CallUsage } from "./decision.ts";
import { callError } from "./errors.ts";
import { admitted } from "./guard.ts";

// LangChain's own types, as far as they are used: none of its packages is needed to load this file.

type Fields = Readonly<Record<string, unknown>>;

interface Result {
  /** Those of chat models have a message too. */
  readonly generations: readonly (readonly { readonly text?: string }[])[];
  readonly llmOutput?: Fields | undefined;
}

/** How the callback behaves. */
export interface LangchainOptions {
  /**
   * A callback cannot change the call. "refuse" (the default) stops calls whose decision would: another
   * model, a lower cap, features taken out. "ignore" lets them run as they are.
   */
  readonly unappliable?: "refuse" | "ignore";
  /** How often a throttled call waits for its time and asks again; default 2. */
  readonly throttleRetries?: number;
}

interface Open {
  readonly decision: CallDecision;
  readonly input: number;
  /** What came of a stream. */
  readonly seen: TextCounter;
}

/**
 * Callbacks for LangChain.js (`callbacks: [langchainCallbacks(weir)]`): a refused call throws before it is
 * sent, an answered one is settled. For models that take a `fetch` (`configuration: { fetch: weir.fetch }`)
 * that is the better choice, since it carries out what a decision asks.
 */
export function langchainCallbacks(weir: WeirSdk, options: LangchainOptions = {}) {
  const open = new Map<string, Open>();
  const start = async (
    texts: readonly string[],
    runId: string,
    extra: Fields,
    metadata: Fields,
  ) => {
    const { cap, intent } = intentOf(weir, texts, extra, metadata);
    const { throttleRetries = 2 } = options;
    const decision = await admitted(weir.core, intent, { throttleRetries });
    if (decision === null) return;
    if (options.unappliable !== "ignore" && changes(decision, cap)) {
      await weir.core.release(decision);
      throw unappliable(decision);
    }
    open.set(runId, { decision, input: intent.tokens.input, seen: new TextCounter() });
  };
  const end = (runId: string, outcome: CallOutcome, result: Result | null): void => {
    const call = open.get(runId);
    open.delete(runId);
    if (call === undefined) return;
    const { id: decisionId, model } = call.decision;
    const told = result === null ? null : usageOf(result);
    const usage = told ?? { input: call.input, output: outputOf(result, call.seen, model) };
    const basis = told === null ? "estimated" : "provider";
    void weir.core.report({ basis, decisionId, outcome, usage });
  };
  return {
    // What is thrown here stops the call, and the call waits for it.
    raiseError: true,
    awaitHandlers: true,
    handleChatModelStart: (
      _: unknown,
      messages: readonly (readonly { readonly content: unknown }[])[],
      runId: string,
      __?: string,
      extra: Fields = {},
      ___?: readonly string[],
      metadata: Fields = {},
    ): Promise<void> => start(messages.flat().map(textOf), runId, extra, metadata),
    handleLLMStart: (
      _: unknown,
      prompts: readonly string[],
      runId: string,
      __?: string,
      extra: Fields = {},
      ___?: readonly string[],
      metadata: Fields = {},
    ): Promise<void> => start(prompts, runId, extra, metadata),
    handleLLMEnd: (result: Result, runId: string): void => end(runId, "ok", result),
    handleLLMNewToken: (token: string, _: unknown, runId: string): void => {
      open.get(runId)?.seen.add(token);
    },
    handleLLMError: (error: unknown, runId: string): void =>
      end(runId, wasAborted(error) ? "cancelled" : "error", null),
  };
}

function textOf({ content }: { readonly content: unknown }): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

function intentOf(
  weir: WeirSdk,
  texts: readonly string[],
  extra: Fields,
  metadata: Fields,
): { readonly cap: number; readonly intent: CallIntent } {
  const called = (extra["invocation_params"] ?? {}) as Fields;
  const name = called["model"] ?? called["model_name"] ?? metadata["ls_model_name"] ?? "unknown";
  const cap = Number(
    called["max_completion_tokens"] ?? called["max_output_tokens"] ?? called["max_tokens"] ?? 0,
  );
  const model = `${wordOf(metadata["ls_provider"], "openai")}:${wordOf(name, "unknown")}`;
  const counter = new TextCounter();
  for (const text of texts) counter.add(text);
  const { expected, p95 } = estimateTokens(counter, tokenizerOf(model));
  const frame = 4 * texts.length + 3;
  const scope = weir.scope();
  const intent: CallIntent = {
    id: crypto.randomUUID(),
    scope,
    operation: "chat",
    model,
    tokens: { input: expected + frame, inputP95: p95 + frame, outputMax: cap },
    ...(scope.run !== undefined && { step: weir.core.nextStep(scope.run) }),
    attempt: { number: 1, reason: "" },
    providers: ["none"],
  };
  return { cap, intent };
}

function wordOf(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function changes({ effect, obligations }: CallDecision, cap: number): boolean {
  const { headers, maxOutputTokens, strip } = obligations;
  const isLower = maxOutputTokens > 0 && (cap === 0 || cap > maxOutputTokens);
  return effect === "reroute" || isLower || strip.length > 0 || Object.keys(headers).length > 0;
}

function unappliable(decision: CallDecision): Error {
  const { id, model, obligations } = decision;
  const cap =
    obligations.maxOutputTokens > 0 ? `, at most ${obligations.maxOutputTokens} tokens out` : "";
  const message =
    `blocked by weir: a callback cannot carry out the decision (${model}${cap}); ` +
    `give the model configuration: { fetch: weir.fetch } instead; decision ${id}`;
  const refusal = { code: "sdk.unappliable", decisionId: id, details: {}, message } as const;
  return callError({ ...refusal, kind: "blocked", retryAfterMs: 0 }, decision);
}

/** Figures of the message, else those of the model's output; null where there are none. */
function usageOf({ generations, llmOutput }: Result): CallUsage | null {
  const first = generations[0]?.[0] as { readonly message?: Fields } | undefined;
  const told = first?.message?.["usage_metadata"] as Fields | undefined;
  if (told !== undefined) {
    const inputs = (told["input_token_details"] ?? {}) as Fields;
    const outputs = (told["output_token_details"] ?? {}) as Fields;
    return {
      input: Number(told["input_tokens"] ?? 0),
      cacheRead: Number(inputs["cache_read"] ?? 0),
      cacheWrite5m: Number(inputs["cache_creation"] ?? 0),
      output: Number(told["output_tokens"] ?? 0),
      reasoning: Number(outputs["reasoning"] ?? 0),
    };
  }
  const older = llmOutput?.["tokenUsage"] as Fields | undefined;
  if (older?.["promptTokens"] === undefined) return null;
  return { input: Number(older["promptTokens"]), output: Number(older["completionTokens"] ?? 0) };
}

/** Output tokens by the text that came: the result's, or of a stream that gave none. */
function outputOf(result: Result | null, seen: TextCounter, model: string): number {
  const counter = result === null ? seen : new TextCounter();
  for (const { text = "" } of result?.generations.flat() ?? []) counter.add(text);
  return estimateTokens(counter, tokenizerOf(model)).expected;
}

/** The application's own abort, as the web, a client library or LangChain names it. */
function wasAborted(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const words = [error.name, error.constructor.name, error.message];
  return words.some((word) => /^\w*AbortError$/.test(word));
}
