import { estimateTokens, tokenizerOf } from "../../engine/provider/estimate-tokens.ts";
import { estimateInput, type RequestFacts } from "../../engine/provider/request.ts";
import { TextCounter } from "../../engine/provider/text-count.ts";
import type { WeirSdk } from "./client.ts";
import type { CallDecision, CallIntent, CallOutcome, CallReport, CallUsage } from "./decision.ts";
import { callError } from "./errors.ts";
import { admitted } from "./guard.ts";

// The AI SDK's own types, as far as they are used: none of its packages is needed to load this file.

interface CallOptions {
  readonly prompt: readonly { readonly role: string; readonly content: unknown }[];
  readonly maxOutputTokens?: number;
  readonly tools?: readonly unknown[];
  readonly abortSignal?: AbortSignal;
}

interface Model<Options, Generated, Streamed> {
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: Options): PromiseLike<Generated>;
  doStream(options: Options): PromiseLike<Streamed>;
}

interface Counts {
  readonly inputTokens: {
    readonly total: number | undefined;
    readonly cacheRead: number | undefined;
    readonly cacheWrite: number | undefined;
  };
  readonly outputTokens: {
    readonly total: number | undefined;
    readonly reasoning: number | undefined;
  };
}

interface Finish {
  readonly usage: Counts;
  readonly finishReason: { readonly unified: string };
}

/** How the middleware names and finds models. */
export interface AiMiddlewareOptions<AnyModel> {
  /** The model for a reroute by Weir's "provider:model"; without it calls are not rerouted. */
  readonly models?: (model: string) => AnyModel | undefined;
  /** How often a throttled call waits for its time and asks again; default 2. */
  readonly throttleRetries?: number;
}

/**
 * A middleware for `wrapLanguageModel` of the AI SDK: decides before, constrains, settles after. It sees less
 * than `weir.fetch` (no wire format), which is the better choice where a provider takes a `fetch`.
 */
export function aiMiddleware<
  AnyModel extends { readonly provider: string; readonly modelId: string } = never,
>(weir: WeirSdk, options: AiMiddlewareOptions<AnyModel> = {}) {
  return {
    specificationVersion: "v4" as const,
    async wrapGenerate<O extends CallOptions, G extends Finish, S>(call: {
      readonly model: Model<O, G, S>;
      readonly params: O;
    }): Promise<G> {
      const { decision, intent, model, params } = await decided(weir, call, options);
      if (decision === null) return model.doGenerate(params);
      try {
        const result = await model.doGenerate(params);
        void weir.core.report(reportOf(decision, result));
        return result;
      } catch (thrown) {
        void weir.core.report(lostReport(decision, intent, params, 0, "error"));
        throw thrown;
      }
    },
    async wrapStream<
      O extends CallOptions,
      G,
      S extends { readonly stream: ReadableStream },
    >(call: { readonly model: Model<O, G, S>; readonly params: O }): Promise<S> {
      const { decision, intent, model, params } = await decided(weir, call, options);
      if (decision === null) return model.doStream(params);
      try {
        const result = await model.doStream(params);
        return { ...result, stream: watched(weir, result.stream, decision, intent, params) };
      } catch (thrown) {
        void weir.core.report(lostReport(decision, intent, params, 0, "error"));
        throw thrown;
      }
    },
  };
}

async function decided<O extends CallOptions, M extends Model<O, unknown, unknown>>(
  weir: WeirSdk,
  call: { readonly model: M; readonly params: O },
  options: AiMiddlewareOptions<unknown>,
): Promise<{ decision: CallDecision | null; intent: CallIntent; model: M; params: O }> {
  const { model, params } = call;
  const intent = intentOf(weir, model, params, options.models !== undefined);
  const signal = params.abortSignal;
  const { throttleRetries = 2 } = options;
  const decision = await admitted(weir.core, intent, { signal, throttleRetries });
  if (decision === null) return { decision, intent, model, params };
  const other = decision.effect === "reroute" ? options.models?.(decision.model) : model;
  if (other === undefined || decision.obligations.strip.some((feature) => feature !== "tools")) {
    await weir.core.release(decision);
    const what = other === undefined ? decision.model : decision.obligations.strip.join(", ");
    const message = `blocked by weir: the middleware cannot carry out the decision (${what}); use weir.fetch; decision ${decision.id}`;
    const refusal = { code: "sdk.no_target", decisionId: decision.id, details: {}, message };
    throw callError({ ...refusal, kind: "blocked", retryAfterMs: 0 }, decision);
  }
  return { decision, intent, model: other as M, params: constrained(params, decision) };
}

function constrained<O extends CallOptions>(params: O, { obligations }: CallDecision): O {
  const { maxOutputTokens: cap, strip } = obligations;
  const changed: O = { ...params };
  const asked = params.maxOutputTokens ?? Infinity;
  if (cap > 0 && asked > cap) Object.assign(changed, { maxOutputTokens: cap });
  if (strip.includes("tools")) Object.assign(changed, { tools: undefined, toolChoice: undefined });
  return changed;
}

function intentOf(
  weir: WeirSdk,
  model: { readonly provider: string; readonly modelId: string },
  params: CallOptions,
  reroutes: boolean,
): CallIntent {
  // "openai.responses", "google.generative-ai", "amazon-bedrock": the provider comes first.
  const provider = (model.provider.split(".")[0] ?? "").replace(/^amazon-/, "");
  const scope = weir.scope();
  const { expected, p95 } = estimateInput(factsOf(params), model.modelId);
  return {
    id: crypto.randomUUID(),
    scope,
    operation: "chat",
    model: `${provider}:${model.modelId}`,
    tokens: { input: expected, inputP95: p95, n: 1, outputMax: params.maxOutputTokens ?? 0 },
    ...(scope.run !== undefined && { step: weir.core.nextStep(scope.run) }),
    attempt: { number: 1, reason: "" },
    // Where no other model can be found, none is offered.
    providers: reroutes ? [] : ["none"],
  };
}

function factsOf({ prompt, tools = [] }: CallOptions): RequestFacts {
  const text = new TextCounter();
  const media = { audio: 0, files: 0, images: 0, unknown: 0 };
  for (const { content } of prompt) {
    if (typeof content === "string") text.add(content);
    else if (Array.isArray(content))
      for (const part of content as unknown[]) addPart(part, text, media);
  }
  if (tools.length > 0) text.add(JSON.stringify(tools));
  return {
    answers: 1,
    cacheWrite: "none",
    flags: [],
    format: "openai.chat",
    media,
    messages: prompt.length,
    model: "",
    modelIn: "body",
    operation: "chat",
    outputMax: 0,
    serviceTier: "standard",
    stream: false,
    streamTellsUsage: true,
    text,
    tokens: 0,
    tools: tools.length,
  };
}

function addPart(part: unknown, text: TextCounter, media: { files: number; images: number }): void {
  const { mediaType, text: words, type } = part as Readonly<Record<string, unknown>>;
  if (typeof words === "string") text.add(words);
  else if (type !== "file") text.add(JSON.stringify(part));
  else if (typeof mediaType === "string" && mediaType.startsWith("image")) media.images += 1;
  else media.files += 1;
}

function watched(
  weir: WeirSdk,
  stream: ReadableStream,
  decision: CallDecision,
  intent: CallIntent,
  params: CallOptions,
): ReadableStream {
  const source = stream.getReader();
  const seen = new TextCounter();
  let isSettled = false;
  const settle = (report: CallReport): void => {
    if (isSettled) return;
    isSettled = true;
    void weir.core.report(report);
  };
  const lost = (outcome: CallOutcome): void => {
    const { expected } = estimateTokens(seen, tokenizerOf(decision.model));
    settle(lostReport(decision, intent, params, expected, outcome));
  };
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.read();
          if (done) {
            lost("truncated");
            controller.close();
            return;
          }
          const part = value as Finish & { readonly type: string; readonly delta?: unknown };
          if (typeof part.delta === "string") seen.add(part.delta);
          if (part.type === "finish") settle(reportOf(decision, part));
          controller.enqueue(value);
        } catch (thrown) {
          lost(params.abortSignal?.aborted === true ? "cancelled" : "error");
          controller.error(thrown);
        }
      },
      async cancel(reason) {
        lost("cancelled");
        await source.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function reportOf({ id }: CallDecision, { finishReason, usage }: Finish): CallReport {
  const { inputTokens, outputTokens } = usage;
  const told = inputTokens.total !== undefined || outputTokens.total !== undefined;
  const counted: CallUsage = {
    input: inputTokens.total ?? 0,
    cacheRead: inputTokens.cacheRead ?? 0,
    cacheWrite5m: inputTokens.cacheWrite ?? 0,
    output: outputTokens.total ?? 0,
    reasoning: outputTokens.reasoning ?? 0,
  };
  const outcome = OUTCOMES.get(finishReason.unified) ?? "ok";
  return { basis: told ? "provider" : "estimated", decisionId: id, outcome, usage: counted };
}

const OUTCOMES = new Map<string, CallOutcome>([
  ["length", "truncated"],
  ["content-filter", "filtered"],
  ["error", "error"],
  ["interrupted", "truncated"],
]);

function lostReport(
  { id }: CallDecision,
  intent: CallIntent,
  { abortSignal }: CallOptions,
  output: number,
  outcome: CallOutcome,
): CallReport {
  const usage = { input: intent.tokens.input, output };
  const ended = abortSignal?.aborted === true ? "cancelled" : outcome;
  return { basis: "estimated", decisionId: id, outcome: ended, usage };
}
