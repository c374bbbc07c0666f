import Anthropic from "@anthropic-ai/sdk";
import { createOpenAI } from "@ai-sdk/openai";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText, wrapLanguageModel } from "ai";
import OpenAI from "openai";
import { aiMiddleware } from "../../adapters/sdk/ai-middleware.ts";
import type { WeirSdk } from "../../adapters/sdk/client.ts";
import { langchainCallbacks } from "../../adapters/sdk/langchain.ts";
import {
  type ServedCall,
  SIMULATED_KEYS,
} from "../../adapters/cli/simulator/provider-simulator.ts";
import { openResponseReader } from "../../engine/provider/response.ts";

/** A client library on a client of Weir, as an application would write it. */
export interface Client {
  readonly name: string;
  /** Asks for "the big model" and gives the text of the answer; throws what the library throws. */
  readonly ask: (
    weir: WeirSdk,
    url: string,
    stream: boolean,
    signal?: AbortSignal,
  ) => Promise<string>;
  /** What the library throws for a block. */
  readonly blocked: string;
  /** The library does not retry by itself. */
  readonly noRetries?: boolean;
  /** It cannot change what is asked: neither model nor cap. */
  readonly isBlind?: boolean;
}

/** What the simulator answers. */
export const HELLO = "word word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11";

/** The tokens of a call as the provider would bill them. */
export function billOf(served: ServedCall | undefined): { input: number; output: number } {
  if (served === undefined) throw new Error("the provider served no such call");
  return { input: served.input, output: served.output };
}

const ASK = "Say hello to the world, please.";

async function joined(
  chunks: AsyncIterable<unknown>,
  text: (chunk: never) => unknown,
): Promise<string> {
  let whole = "";
  for await (const chunk of chunks)
    whole += (text(chunk as never) as string | null | undefined) ?? "";
  return whole;
}

const openai = (weir: WeirSdk, url: string): OpenAI =>
  new OpenAI({ apiKey: SIMULATED_KEYS.openai, baseURL: `${url}/v1`, fetch: weir.fetch });

/** What a raw caller does that speaks a format by itself. */
function raw(
  name: "bedrock" | "google" | "mistral",
  path: (stream: boolean) => string,
  body: object,
): Client {
  return {
    name,
    blocked: "Error",
    noRetries: true,
    ask: async (weir, url, stream, signal = new AbortController().signal) => {
      // Whose API it is, is told by the host where the path leaves it open.
      const place = name === "mistral" ? url.replace("127.0.0.1", "localhost") : url;
      const response = await weir.fetch(place + path(stream), {
        body: JSON.stringify({ ...body, ...(name === "mistral" && { stream }) }),
        headers: { "content-type": "application/json", "x-api-key": SIMULATED_KEYS[name] },
        method: "POST",
        signal,
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      const reader = openResponseReader(FORMATS[name], response.headers.get("content-type") ?? "");
      for await (const chunk of response.body ?? []) reader.push(chunk as Uint8Array);
      // Not the text but its length is read; the rest is a cut of it.
      return HELLO.slice(0, reader.end().answered.bytes);
    },
  };
}

const FORMATS = {
  bedrock: "bedrock.converse",
  google: "google.generate_content",
  mistral: "mistral.chat",
} as const;

const MESSAGES = [{ content: ASK, role: "user" as const }];

export const CLIENTS: readonly Client[] = [
  {
    name: "openai chat",
    blocked: "PermissionDeniedError",
    ask: async (weir, url, stream, signal) => {
      const options = { signal: signal ?? null };
      const body = { messages: MESSAGES, model: "big" };
      if (!stream) {
        const done = await openai(weir, url).chat.completions.create(body, options);
        return done.choices[0]?.message.content ?? "";
      }
      const events = await openai(weir, url).chat.completions.create(
        { ...body, stream: true },
        options,
      );
      // As applications do it: an event without choices would throw here.
      return joined(
        events,
        (event: OpenAI.ChatCompletionChunk) =>
          (event.choices[0] as OpenAI.ChatCompletionChunk.Choice).delta.content,
      );
    },
  },
  {
    name: "openai responses",
    blocked: "PermissionDeniedError",
    ask: async (weir, url, stream, signal) => {
      const options = { signal: signal ?? null };
      const body = { input: ASK, model: "big" };
      if (!stream) return (await openai(weir, url).responses.create(body, options)).output_text;
      const events = await openai(weir, url).responses.create({ ...body, stream: true }, options);
      return joined(events, (event: OpenAI.Responses.ResponseStreamEvent) =>
        event.type === "response.output_text.delta" ? event.delta : "",
      );
    },
  },
  {
    name: "anthropic",
    blocked: "PermissionDeniedError",
    ask: async (weir, url, stream, signal) => {
      const client = new Anthropic({
        apiKey: SIMULATED_KEYS.anthropic,
        baseURL: url,
        fetch: weir.fetch,
      });
      const body = { max_tokens: 100, messages: MESSAGES, model: "big" };
      const options = { signal: signal ?? null };
      if (!stream) {
        const [block] = (await client.messages.create(body, options)).content;
        return block?.type === "text" ? block.text : "";
      }
      const events = await client.messages.create({ ...body, stream: true }, options);
      return joined(events, (event: Anthropic.RawMessageStreamEvent) =>
        event.type === "content_block_delta" && event.delta.type === "text_delta"
          ? event.delta.text
          : "",
      );
    },
  },
  {
    name: "ai sdk, fetch",
    blocked: "AI_APICallError",
    ask: (weir, url, stream, signal) => {
      const provider = createOpenAI({
        apiKey: SIMULATED_KEYS.openai,
        baseURL: `${url}/v1`,
        fetch: weir.fetch,
      });
      return aiText(provider.chat("big"), stream, signal);
    },
  },
  {
    name: "ai sdk, middleware",
    blocked: "WeirBlockedError",
    ask: (weir, url, stream, signal) => {
      const provider = createOpenAI({ apiKey: SIMULATED_KEYS.openai, baseURL: `${url}/v1` });
      const middleware = aiMiddleware(weir, {
        models: (model) => provider.chat(model.split(":")[1] ?? ""),
      });
      return aiText(wrapLanguageModel({ middleware, model: provider.chat("big") }), stream, signal);
    },
  },
  {
    name: "langchain, fetch",
    blocked: "PermissionDeniedError",
    ask: (weir, url, stream, signal) =>
      langchainText(
        new ChatOpenAI({
          apiKey: SIMULATED_KEYS.openai,
          configuration: { baseURL: `${url}/v1`, fetch: weir.fetch },
          model: "big",
          streamUsage: true,
        }),
        stream,
        signal,
      ),
  },
  {
    name: "langchain, callback",
    blocked: "WeirBlockedError",
    isBlind: true,
    ask: (weir, url, stream, signal) =>
      langchainText(
        new ChatOpenAI({
          apiKey: SIMULATED_KEYS.openai,
          callbacks: [langchainCallbacks(weir)],
          configuration: { baseURL: `${url}/v1` },
          model: "big",
          streamUsage: true,
        }),
        stream,
        signal,
      ),
  },
  raw(
    "google",
    (stream) =>
      `/v1beta/models/big:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    {
      contents: [{ parts: [{ text: ASK }], role: "user" }],
    },
  ),
  raw("mistral", () => "/mistral/v1/chat/completions", { messages: MESSAGES, model: "big" }),
  raw("bedrock", (stream) => `/model/big/converse${stream ? "-stream" : ""}`, {
    messages: [{ content: [{ text: ASK }], role: "user" }],
  }),
];

type AiModel = Parameters<typeof generateText>[0]["model"];

async function aiText(
  model: AiModel,
  stream: boolean,
  signal: AbortSignal | undefined,
): Promise<string> {
  const call = { model, prompt: ASK, ...(signal !== undefined && { abortSignal: signal }) };
  if (!stream) return (await generateText(call)).text;
  let failure: unknown;
  const { textStream } = streamText({ ...call, onError: ({ error }) => void (failure = error) });
  const text = await joined(textStream, (part: string) => part);
  if (failure !== undefined) throw failure;
  return text;
}

async function langchainText(
  model: ChatOpenAI,
  stream: boolean,
  signal: AbortSignal | undefined,
): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  if (!stream) return (await model.invoke(ASK, options)).text;
  return joined(await model.stream(ASK, options), (chunk: { text: string }) => chunk.text);
}
